"""Several models and versions: one list of questions to the Lambda handler and to a real server."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.conftest import ROOT, copy_repository

from liteship import Artifact, Function
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.deploy.local.reload import fingerprint
from liteship.packaging.bundle import bundle
from liteship.project import load_function
from liteship.runtime.hook import find_problems
from liteship.runtime.models_setting import ModelsSetting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import LambdaContext, Server

    Ask = Callable[..., tuple[int, Any]]

SETTING = ModelsSetting(
    "digits", "2", {"digits": {"stable": "1", "canary": "2"}}, memory_mib=1, control=True
)
ENVIRON = {"LITESHIP_MODELS": SETTING.to_json()}
BINARY = "application/octet-stream"


def golden(name: str) -> bytes:
    return b"".join(Artifact.load(ROOT / "functions" / name / "model").golden_inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("models") / "digits")


@pytest.fixture(scope="module")
def server(folder: Path, start_server: Callable[..., Server]) -> Server:
    return start_server(folder, **ENVIRON)


@pytest.fixture(params=["server", "lambda"])
def ask(request: pytest.FixtureRequest, lambda_context: Callable[[], LambdaContext]) -> Ask:
    """Path with query, and body; gives status and content."""
    if request.param == "server":
        url = request.getfixturevalue("server").url

        def ask_server(target: str, body: bytes = b"", method: str = "POST") -> tuple[int, Any]:
            headers = {"content-type": BINARY}
            response = httpx.request(method, url + target, content=body, headers=headers, timeout=60)
            return response.status_code, response.json()

        return ask_server
    folder = request.getfixturevalue("folder")
    function = Function(str(folder / "app.py"), environ=ENVIRON)

    def ask_lambda(target: str, body: bytes = b"", method: str = "POST") -> tuple[int, Any]:
        path, _, query = target.partition("?")
        event = {
            "version": "2.0",
            "rawQueryString": query,
            "headers": {"content-type": BINARY},
            "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer: Any = function(event, lambda_context())
        return answer["statusCode"], json.loads(answer["body"])

    return ask_lambda


@pytest.mark.parametrize(
    ("query", "model", "version"),
    [
        ("", "digits", "2"),
        ("?model=digits", "digits", "2"),
        ("?version=1", "digits", "1"),
        ("?model=digits&version=1", "digits", "1"),
        ("?label=stable", "digits", "1"),
        ("?model=digits&label=canary", "digits", "2"),
        ("?model=wine", "wine", "1"),
    ],
)
def test_every_model_answers_as_itself(ask: Ask, query: str, model: str, version: str) -> None:
    status, content = ask(f"/predict{query}", golden(model))
    assert status == 200
    assert (content["model"], content["version"]) == (model, version)
    zero = {"digits 1": "0", "digits 2": "none"}.get(f"{model} {version}")
    manifest = Artifact.load(ROOT / "functions" / model / "model").manifest
    labels = [zero if each == "0" else each for each in manifest.postprocessing.labels]
    assert {each["label"] for each in content["predictions"]} <= set(labels)


@pytest.mark.parametrize(
    ("query", "status", "reference"),
    [
        ("?model=other", 404, "model-unknown"),
        ("?model=../wine", 404, "model-unknown"),
        ("?model=%2e%2e", 404, "model-unknown"),
        ("?model=%00", 404, "model-unknown"),
        ("?model=/etc/passwd", 404, "model-unknown"),
        (f"?model={'x' * 5000}", 404, "model-unknown"),
        ("?model=wine&version=2", 404, "version-unknown"),
        ("?version=..%2f2", 404, "version-unknown"),
        ("?label=beta", 404, "label-unknown"),
        ("?label=stable&version=1", 400, "version-ambiguous"),
    ],
)
def test_what_is_not_served_is_refused(ask: Ask, query: str, status: int, reference: str) -> None:
    found, content = ask(f"/predict{query}", golden("digits"))
    assert (found, content["reference"]) == (status, reference)


def test_the_index_is_there_on_both(ask: Ask) -> None:
    status, content = ask("/v2/repository/index")
    assert status == 200
    assert [(each["name"], each["version"]) for each in content] == [
        *(("digits", "1"), ("digits", "2"), ("wine", "1"))
    ]
    assert ask("/health/ready", method="GET")[1]["version"] == "2"


def test_on_lambda_nothing_is_unloaded(ask: Ask, request: pytest.FixtureRequest) -> None:
    path = "/v2/repository/models/wine"
    is_server = "server" in request.node.name
    unloaded, content = ask(f"{path}/unload")
    assert (unloaded, content.get("reference")) == (
        (200, None) if is_server else (400, "control-lambda")
    )
    status, content = ask("/predict?model=wine", golden("wine"))
    assert (status, content.get("reference")) == ((503, "model-unloaded") if is_server else (200, None))
    assert ask(f"{path}/load")[0] == (200 if is_server else 400)
    assert ask("/predict?model=wine", golden("wine"))[0] == 200


def test_packaged_and_under_the_emulator_the_hook_finds_its_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_function("digits", ROOT)
    packaged = package_for_here(digits)
    bundle(folder, tmp_path / "bundle")
    package = dataclasses.replace(
        packaged, python_path=(tmp_path / "bundle", *packaged.python_path[1:])
    )
    variables = ENVIRON | {
        "LAMBDA_TASK_ROOT": str(tmp_path / "bundle"),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with LambdaEmulator(digits, package, environment=ENVIRON) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
        assert find_problems("function", 60) == []
        event = http_event("POST", "/predict", golden("wine"), BINARY)
        answer = emulator.invoke(event | {"rawQueryString": "model=wine"})
    assert json.loads(answer["body"])["model"] == "wine"


def test_a_change_of_any_model_is_seen(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "digits"
    shutil.copytree(folder, copy)
    before = fingerprint(copy)
    (copy / "model" / "wine" / "1" / "model.json").unlink()
    assert fingerprint(copy) != before


def test_inspect_lists_every_model(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "functions" / "digits")
    done = subprocess.run(
        [sys.executable, "-m", "liteship", "inspect", "digits"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "digits version 2" in done.stdout
    assert "digits 1, digits 2, wine 1" in done.stdout


def test_metrics_tell_which_model_answered(folder: Path, start_server: Callable[..., Server]) -> None:
    server = start_server(folder, **ENVIRON)
    asked = ["", "?version=1", "?version=1", "?model=wine", "?model=other"]
    with httpx.Client(base_url=server.url, headers={"content-type": BINARY}, timeout=60) as client:
        for query in asked:
            client.post(f"/predict{query}", content=golden("wine" if "wine" in query else "digits"))
        client.post("/predict?model=wine", content=b"x")
        lines = client.get("/metrics").text.splitlines()
    for name, count in (
        ('requests_total{model="digits",version="2",status="200"}', 1),
        ('requests_total{model="digits",version="2",status="404"}', 1),
        ('requests_total{model="digits",version="1",status="200"}', 2),
        ('requests_total{model="wine",version="1",status="200"}', 1),
        ('requests_total{model="wine",version="1",status="400"}', 1),
        ('predictions_total{model="digits",version="1"}', 2),
        ('predictions_total{model="wine",version="1"}', 1),
        ('request_duration_seconds_count{model="digits",version="1"}', 2),
    ):
        assert f"liteship_{name} {count}" in lines, name


def test_models_take_turns_in_a_small_memory_while_many_ask(server: Server) -> None:
    inputs = {"digits": golden("digits"), "wine": golden("wine")}
    asked = [("digits", "1"), ("wine", "1"), ("digits", "2")] * 10

    def post(which: tuple[str, str]) -> tuple[int, str, str]:
        url = f"{server.url}/predict?model={which[0]}&version={which[1]}"
        headers = {"content-type": BINARY}
        response = httpx.post(url, content=inputs[which[0]], headers=headers, timeout=60)
        content = response.json()
        return response.status_code, content["model"], content["version"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, asked))
    assert answers == [(200, *which) for which in asked]
