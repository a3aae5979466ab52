"""The smoke test of a deployed function: by URL against real servers, and through Lambda's API."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest

from liteship.artifact import Artifact
from liteship.deploy.aws.stack import DeployedFunction, Stack
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.sam.smoke import over_lambda
from liteship.deploy.smoke import over_http, parsed, smoke_test
from liteship.errors import DeploymentError
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SHORT_S = 0.2
"""Patience of tests that are to fail."""


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(ROOT / "functions" / "digits" / "model")


@pytest.fixture(scope="module")
def url(start_server: Callable[..., Any]) -> str:
    """The digits function, served."""
    return str(start_server().url)


def failure(artifact: Artifact, url: str, divided: str = "") -> DeploymentError:
    with pytest.raises(DeploymentError) as raised:
        smoke_test("digits", artifact, over_http(url), url, patience_s=SHORT_S, divided=divided)
    assert raised.value.reference == "smoke-test-failed"
    assert "liteship rollback digits" in raised.value.hint
    assert "attempt(s)" in str(raised.value.received)
    return raised.value


def test_the_deployed_artifact_passes_at_once(artifact: Artifact, url: str) -> None:
    found = smoke_test("digits", artifact, over_http(f"{url}/"), url)
    assert (found.attempts, found.earlier) == (1, ())


def test_another_version_is_told(
    artifact: Artifact, start_server: Callable[..., Any], function_folder: Path
) -> None:
    manifest = function_folder / "model" / "model.json"
    content = json.loads(manifest.read_text())
    content["version"] = "2"
    manifest.write_text(json.dumps(content))
    other = start_server(function_folder).url
    error = failure(artifact, other, divided="version 1 90 %, version 2 10 %")
    assert "ready: version is '2', expected '1'" in error.problems
    assert "version 1 90 %" in error.message


def test_another_model_is_told_with_both_digests(
    artifact: Artifact, start_server: Callable[..., Any]
) -> None:
    wine = ROOT / "functions" / "wine"
    error = failure(artifact, start_server(wine).url)
    problems = "\n".join(error.problems)
    assert "model is 'wine', expected 'digits'" in problems
    assert artifact.manifest.sha256 in problems
    assert Artifact.load(wine / "model").manifest.sha256 in problems


def test_a_function_that_is_not_ready_is_told(
    artifact: Artifact, start_server: Callable[..., Any], function_folder: Path
) -> None:
    manifest = function_folder / "model" / "model.json"
    content = json.loads(manifest.read_text())
    (output,) = content["golden"]["outputs"]
    content["golden"]["outputs"] = [bytes(each ^ 0x7F for each in bytes.fromhex(output)).hex()]
    manifest.write_text(json.dumps(content))
    (problem,) = failure(artifact, start_server(function_folder).url).problems
    assert "self-test-failed" in problem


def test_nobody_there_is_told(artifact: Artifact, closed_port: int) -> None:
    (problem,) = failure(artifact, f"http://127.0.0.1:{closed_port}").problems
    assert "refused" in problem


def test_what_is_no_http_is_told(artifact: Artifact) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"220 ready for mail\r\n")

        threading.Thread(target=answer, daemon=True).start()
        ask = over_http(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(OSError, match="no HTTP answer"):
            ask("GET", "/health/ready", b"", "")


@pytest.mark.parametrize(
    ("given", "step"),
    [({}, "liteship rollback digits; liteship logs digits says"), ({"hint": "mend it"}, "mend it")],
)
def test_the_next_step_is_the_platforms(
    artifact: Artifact, closed_port: int, given: dict[str, str], step: str
) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    with pytest.raises(DeploymentError) as raised:
        smoke_test("digits", artifact, over_http(url), url, patience_s=0, **given)
    assert raised.value.hint.startswith(step)


class Warming(BaseHTTPRequestHandler):
    """The HTTP API's own refusal for the first requests, then what the function answers."""

    behind: ClassVar[str]
    refusals: ClassVar[list[int]]

    def do_GET(self) -> None:
        if self.refusals:
            self.refusals.pop()
            self._answer(503, b'{"message":"Service Unavailable"}')
            return
        self._answer(200, httpx.get(self.behind + self.path).content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {"content-type": self.headers["content-type"]}
        self._answer(200, httpx.post(self.behind + self.path, content=body, headers=headers).content)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass


@pytest.fixture
def front(url: str) -> Iterator[str]:
    """A URL that needs two attempts to warm up."""
    handler = type("Front", (Warming,), {"behind": url, "refusals": [1, 2]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_that_warms_up_is_asked_again(artifact: Artifact, front: str) -> None:
    found = smoke_test("digits", artifact, over_http(front), front)
    assert found.attempts == 3
    assert "Service Unavailable" in found.earlier[0]


def test_a_function_without_a_url_is_asked_through_lambdas_api(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("digits", ROOT)
    stack = Stack(name="liteship", id="", status="", reason="", changed="", outputs={}, resources={})
    # The one name that the emulator answers to
    deployed = DeployedFunction(
        name="digits", function="function", log_group="", stack=stack, logical_id="Digits"
    )
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        for name, value in {
            "AWS_ENDPOINT_URL_LAMBDA": emulator.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            monkeypatch.setenv(name, value)
        ask = over_lambda(deployed, "eu-central-1", 30)
        found = smoke_test("digits", artifact, ask, "function")
        assert found.attempts == 1
    with pytest.raises(DeploymentError) as raised:
        smoke_test("digits", artifact, ask, "function", patience_s=SHORT_S)
    assert raised.value.problems[0].startswith("no answer")


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"<html>", 502, "status 502"),
        (b"[1]", 200, "instead of a JSON object"),
        (b'{"message": "Forbidden"}', 403, "Forbidden"),
    ],
)
def test_what_is_no_answer_of_the_function_is_an_error(content: bytes, status: int, said: str) -> None:
    assert said in str(parsed(content, status)["error"])


def test_an_error_of_the_function_is_kept() -> None:
    fields = {"error": "not ready", "reference": "self-test-failed"}
    assert parsed(json.dumps(fields), 503) == fields
