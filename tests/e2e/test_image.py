"""One image: the HTTP server that Knative runs, and the Lambda function under AWS' own emulator."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Container

pytestmark = pytest.mark.e2e

EVENTS = Path(__file__).parents[1] / "data" / "events"


@pytest.fixture(scope="module")
def event() -> dict[str, Any]:
    """An HTTP event that carries a picture of a seven."""
    loaded: dict[str, Any] = json.loads((EVENTS / "http_v2.json").read_text())
    return loaded


def invoke(container: Container, event: object) -> Any:
    answer = httpx.post(
        f"{container.url}/2015-03-31/functions/function/invocations", json=event, timeout=60
    )
    return answer.raise_for_status().json()


def test_ready_means_that_the_golden_input_was_answered(server: Container) -> None:
    answer = httpx.get(f"{server.url}/health/ready")
    assert (answer.status_code, answer.json()["model"]) == (200, "digits")
    assert "model ready" in server.log()


def test_the_server_answers_a_picture(server: Container, event: dict[str, Any]) -> None:
    body = base64.b64decode(event["body"])
    answer = httpx.post(f"{server.url}/predict", content=body, headers={"content-type": "image/png"})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "7"


def test_lambda_gives_the_identical_answer(
    server: Container, emulated: Container, event: dict[str, Any]
) -> None:
    served = httpx.post(
        f"{server.url}/predict",
        content=base64.b64decode(event["body"]),
        headers={"content-type": "image/png"},
    )
    answer = invoke(emulated, event)
    assert answer["statusCode"] == served.status_code == 200
    assert answer["body"].encode() == served.content


def test_lambda_answers_every_kind_of_event(emulated: Container, event: dict[str, Any]) -> None:
    version_2 = invoke(emulated, event)
    version_1 = invoke(emulated, json.loads((EVENTS / "http_v1.json").read_text()))
    assert version_1["body"] == version_2["body"]
    invoke(emulated, json.loads((EVENTS / "s3_test.json").read_text()))
    assert "test event" in emulated.log()


def test_the_web_framework_is_in_the_image(server: Container, emulated: Container) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert "/predict" in paths
    event = json.loads((EVENTS / "http_v2.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/openapi.json"
    event["requestContext"]["http"]["method"] = "GET"
    del event["body"], event["isBase64Encoded"]
    assert json.loads(invoke(emulated, event)["body"])["paths"] == paths


def test_it_runs_as_nobody_with_nothing_writable(server: Container) -> None:
    state = server.inspect()
    assert state["Config"]["User"] == "65532:65532"
    assert state["HostConfig"]["ReadonlyRootfs"]
    assert not state["Mounts"]
    labels = state["Config"]["Labels"]
    assert labels["com.amazonaws.lambda.feature.snapstart"] == "Allow"


LOADING = """
import time
print("loading", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("handler", "until", "code"),
    [("loading.handler", "loading", 128 + signal.SIGTERM), ("app.handler", "serving", 0)],
)
def test_process_1_hears_sigterm(
    image: str, run_command: Callable[..., str], tmp_path: Path, handler: str, until: str, code: int
) -> None:
    """Else the engine would kill it when its patience is over: exit code 137."""
    module = tmp_path / "loading.py"
    module.write_text(LOADING)
    name = f"liteship-e2e-{uuid.uuid4().hex[:12]}"
    options = (f"--volume={module}:/var/task/loading.py:ro", "--env=LITESHIP_DRAIN_S=0", "--read-only")
    try:
        run_command("docker", "run", "--detach", f"--name={name}", *options, image, handler)
        while until not in run_command("docker", "logs", name):
            assert run_command("docker", "inspect", "--format={{.State.Running}}", name) == "true\n"
        run_command("docker", "stop", "--time=60", name)
        assert run_command("docker", "inspect", "--format={{.State.ExitCode}}", name) == f"{code}\n"
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


LOADED = """
import importlib.util, json, os, sys
import app, fastapi, mangum
app.handler.asgi
files = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
packed = [file for file in files if file.startswith(("/opt/", "/var/task/")) and file.endswith(".py")]
flags = {}
for file in packed:
    with open(importlib.util.cache_from_source(file), "rb") as compiled:
        flags[file] = int.from_bytes(compiled.read(8)[4:], "little")
print(json.dumps({"flags": flags, "numpy": importlib.util.find_spec("numpy") is not None}))
"""


def test_every_module_has_byte_code_that_is_never_stale(image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--entrypoint=python3", image, "-c", LOADED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {"/var/task/app.py", "/var/task/liteship/runtime/function.py"} <= result["flags"].keys()
    assert any(file.startswith("/opt/python/fastapi/") for file in result["flags"])
    # https://peps.python.org/pep-0552/: hash-based, and the hash is not checked
    assert set(result["flags"].values()) == {1}
    assert not result["numpy"]


def test_a_build_without_a_function_says_what_is_missing(base_image: str) -> None:
    done = subprocess.run(
        ["docker", "build", "--file=functions/Dockerfile", f"--build-arg=BASE_IMAGE={base_image}", "."],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "--build-arg FUNCTION=digits" in done.stdout + done.stderr
