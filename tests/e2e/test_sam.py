"""`sam build` of everything in template.yaml, and what was built, run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from tests.e2e.conftest import TOOLS

from liteship.deploy.local.emulator import free_port
from liteship.deploy.local.events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

EVENT = Path(__file__).parents[1] / "data" / "events" / "http_v2.json"
LAYERS = {"LitertLayer": "ai_edge_litert", "WebLayer": "fastapi"}
"""Each layer of template.yaml and a package that it brings."""


@pytest.fixture(scope="module")
def built(
    base_image: str, run_sam: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """SAM's build folder, made on the local base image."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    run_sam("build", f"--build-dir={folder}", f"--parameter-overrides=BaseImage={base_image}")
    return folder


def predictions(answer: str) -> Any:
    """Of the Lambda answer in the last line."""
    response = json.loads(answer.splitlines()[-1])
    assert response["statusCode"] == 200
    return json.loads(response["body"])["predictions"]


def test_the_image_function_answers_under_sam_local(built: Path, run_sam: Callable[..., str]) -> None:
    answer = run_sam(
        *("local", "invoke", "DigitsFunction", f"--template={built / 'template.yaml'}"),
        *(f"--event={EVENT}", "--skip-pull-image"),
    )
    assert predictions(answer)[0]["label"] == "7"


@pytest.fixture(scope="module")
def start_local(built: Path) -> Iterator[Callable[[str], str]]:
    """Starts `sam local start-api` or `start-lambda`, gives its address, and ends it afterwards."""
    with contextlib.ExitStack() as stack:

        def start(command: str) -> str:
            port = free_port()
            arguments = ("local", command, f"--template={built / 'template.yaml'}", f"--port={port}")
            process = subprocess.Popen(
                [TOOLS / "bin" / "sam", *arguments, "--skip-pull-image"],
                cwd=built,
                env=os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGINT)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        return f"http://127.0.0.1:{port}"
                time.sleep(0.2)
            pytest.fail(f"sam local {command} does not listen on port {port}")

        yield start


def test_the_api_answers_every_path_over_http(start_local: Callable[[str], str]) -> None:
    url = start_local("start-api")
    # In JSON: unlike an HTTP API, `sam local` hands binary bodies over as text
    # (https://github.com/aws/aws-sam-cli/issues/3110).
    picture = {"image": {"b64": json.loads(EVENT.read_text())["body"]}}
    answer = httpx.post(f"{url}/predict", json=picture, timeout=60)
    assert (answer.status_code, answer.json()["predictions"][0]["label"]) == (200, "7")
    refused = httpx.get(f"{url}/nothing/here", timeout=60)
    assert (refused.status_code, refused.json()["reference"]) == (404, "route-unknown")


def test_boto3_invokes_it_as_it_would_on_aws(start_local: Callable[[str], str]) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=start_local("start-lambda"),
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  # nothing checks it
        config=Config(read_timeout=60, retries={"max_attempts": 0}),
    )
    answer = client.invoke(FunctionName="DigitsFunction", Payload=EVENT.read_text())
    assert answer["StatusCode"] == 200
    assert predictions(answer["Payload"].read().decode())[0]["label"] == "7"


def test_each_layer_holds_its_own(built: Path) -> None:
    for layer, module in LAYERS.items():
        assert [path.name for path in (built / layer).iterdir()] == ["python"]
        assert (built / layer / "python" / module).is_dir()


@pytest.mark.parametrize("name", ["WineFunction", "WineHook", "DigitsHook"])
def test_a_zip_function_holds_code_and_artifact_alone(built: Path, name: str) -> None:
    entries = {path.name for path in (built / name).iterdir()}
    assert entries - {"__pycache__"} == {"app.py", "liteship", "model"}


WINE = {"inputs": [14.23, 1.71, 2.43, 15.6, 127, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065]}
"""Measurements of the first wine in scikit-learn's data, a Barolo."""

ANSWER = "import app, json, sys; print(json.dumps(app.handler(json.load(sys.stdin), None)))"


def test_the_zip_function_answers_on_its_python(
    built: Path, base_image: str, run_command: Callable[..., str]
) -> None:
    """As Lambda lays it out: code in /var/task, every layer's content in /opt."""
    folders = {built / "WineFunction": "/var/task"}
    folders |= {built / layer: f"/opt/{layer}" for layer in LAYERS}
    path = ["/var/task", *(f"/opt/{layer}/python" for layer in LAYERS)]
    event = http_event("POST", "/predict", json.dumps(WINE).encode(), "application/json")
    answer = run_command(
        *("docker", "run", "--rm", "--interactive", "--read-only", "--user=65532:65532"),
        *(f"--volume={folder}:{target}:ro" for folder, target in folders.items()),
        *("--workdir=/var/task", f"--env=PYTHONPATH={':'.join(path)}", "--network=none"),
        *(base_image, "python3", "-S", "-c", ANSWER),
        stdin=json.dumps(event),
    )
    assert predictions(answer)[0]["label"] == "Barolo"
