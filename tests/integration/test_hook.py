"""The pre-traffic hook asks a real emulator, and reports to an endpoint that keeps what it is told."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.packaging.bundle import bundle
from liteship.project import load_function
from liteship.runtime.hook import REPORT_S, find_problems, handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.packaging.package import Package

    Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
EVENT = {"DeploymentId": "d-EXAMPLE", "LifecycleEventHookExecutionId": "execution-1"}
TARGET = "function"
"""The one function that an emulator has."""


@dataclasses.dataclass(frozen=True)
class HookContext:
    """What the hook reads of Lambda's context."""

    remaining_s: float = 60.0

    def get_remaining_time_in_millis(self) -> float:
        return self.remaining_s * 1e3


class CodeDeploy(ThreadingHTTPServer):
    """Keeps every request; answers as CodeDeploy does, or with an error of its own."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Json]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _KeepRequest)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reported(self) -> str:
        """The status of the one report there is, found to be whole."""
        ((target, content),) = self.requests
        assert target == "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"
        status: str = content.pop("status")
        assert content == {
            "deploymentId": "d-EXAMPLE",
            "lifecycleEventHookExecutionId": "execution-1",
        }
        return status


class _KeepRequest(BaseHTTPRequestHandler):
    server: CodeDeploy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.headers["x-amz-target"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def packaged_from(folder: Path, target: Path) -> Package:
    """digits' package, with the code of another folder."""
    package = package_for_here(load_function("digits", ROOT))
    bundle(folder, target / "bundle")
    return dataclasses.replace(package, python_path=(target / "bundle", *package.python_path[1:]))


@pytest.fixture
def codedeploy() -> Iterator[CodeDeploy]:
    with CodeDeploy() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(
    emulator: LambdaEmulator,
    codedeploy: CodeDeploy,
    function_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The hook's environment, in a copy of the bundle that a test may damage."""
    variables = {
        "LITESHIP_HOOK_TARGET": TARGET,
        "LAMBDA_TASK_ROOT": str(function_folder),
        "AWS_ENDPOINT_URL_LAMBDA": emulator.url,
        "AWS_ENDPOINT_URL_CODEDEPLOY": codedeploy.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.mark.usefixtures("environ")
def test_the_version_that_serves_this_artifact_may_get_traffic(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handler(EVENT, HookContext()) == {"status": "Succeeded", "problems": []}
    assert codedeploy.reported() == "Succeeded"
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["status"], line["target"]) == ("judged", "Succeeded", TARGET)


def test_another_model_gets_none_and_the_log_says_why(
    environ: dict[str, str], codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(environ["LAMBDA_TASK_ROOT"]) / "model" / "model.json"
    path.write_text(path.read_text().replace('"version": "1"', '"version": "2"'))
    handler(EVENT, HookContext())
    assert codedeploy.reported() == "Failed"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    problems = [line["problem"] for line in lines if line["message"] == "problem"]
    assert len(problems) == 2
    assert all("expected '2'" in problem for problem in problems)


@pytest.mark.usefixtures("environ")
def test_a_version_that_is_not_ready_gets_none(
    codedeploy: CodeDeploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("digits", ROOT)
    package = package_for_here(function)
    broken = {"LITESHIP_BACKEND": "tflite-runtime"}  # which is in no layer
    with LambdaEmulator(function, package, environment=broken) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
        (problem,) = find_problems(TARGET, 60)
        handler(EVENT, HookContext())
    assert "the function is not ready" in problem
    assert "backend-missing" in problem
    assert codedeploy.reported() == "Failed"


@pytest.mark.usefixtures("environ")
def test_a_version_that_does_not_start_gets_none(
    codedeploy: CodeDeploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("digits", ROOT)
    broken = {"LITESHIP_WORKERS": "none"}
    with LambdaEmulator(function, package_for_here(function), environment=broken) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
        problems: Any = handler(EVENT, HookContext())["problems"]
    assert "could not be judged" in problems[0]
    assert codedeploy.reported() == "Failed"


@pytest.mark.usefixtures("environ")
def test_a_version_that_raises_gets_none_and_its_words_are_logged(
    codedeploy: CodeDeploy, function_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("digits", ROOT)
    (function_folder / "app.py").write_text(
        "def handler(event, context):\n    raise ValueError('out of order')\n"
    )
    with LambdaEmulator(function, packaged_from(function_folder, tmp_path)) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
        problems: Any = handler(EVENT, HookContext())["problems"]
    assert "GET /health/ready" in problems[0]
    assert "out of order" in problems[0]
    assert codedeploy.reported() == "Failed"


@pytest.mark.usefixtures("environ")
def test_a_version_with_steps_of_its_own_is_asked_for_readiness_only(
    codedeploy: CodeDeploy, function_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("digits", ROOT)
    (function_folder / "app.py").write_text(
        "from liteship import Function\n"
        "handler = Function(__file__, postprocess=lambda outputs: {'answer': 42})\n"
    )
    with LambdaEmulator(function, packaged_from(function_folder, tmp_path)) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
        handler(EVENT, HookContext())
        asked = [line.get("message") for line in emulator.log_lines()]
    assert codedeploy.reported() == "Succeeded"
    assert "predicted" not in asked


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("LITESHIP_HOOK_TARGET", "", "FunctionName"),
        ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:{closed_port}", "Could not connect"),
        ("LAMBDA_TASK_ROOT", "/nowhere", "there is no /nowhere/model/model.json"),
    ],
)
@pytest.mark.usefixtures("environ")
def test_what_nobody_expected_is_a_failure_and_reported(
    variable: str,
    value: str,
    expected: str,
    codedeploy: CodeDeploy,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value.format(closed_port=closed_port))
    problems: Any = handler(EVENT, HookContext())["problems"]
    (problem,) = problems
    assert "could not be judged" in problem
    assert expected in problem
    assert codedeploy.reported() == "Failed"


@pytest.mark.usefixtures("environ")
def test_a_version_that_never_answers_is_given_up_before_the_hook_itself_is(
    codedeploy: CodeDeploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that accepts and is silent, and a hook that has just the time for its report."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{silent.getsockname()[1]}")
        problems: Any = handler(EVENT, HookContext(REPORT_S))["problems"]
    assert "ReadTimeoutError" in problems[0]
    assert codedeploy.reported() == "Failed"


@pytest.mark.usefixtures("environ")
def test_a_report_that_is_refused_or_not_heard_raises(
    codedeploy: CodeDeploy, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codedeploy.status = 400
    with pytest.raises(ClientError):
        handler(EVENT, HookContext())
    monkeypatch.setenv("AWS_ENDPOINT_URL_CODEDEPLOY", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(EndpointConnectionError):
        handler(EVENT, HookContext())


def test_it_runs_from_a_bundle_and_loads_no_interpreter(
    environ: dict[str, str], codedeploy: CodeDeploy, function_folder: Path, tmp_path: Path
) -> None:
    bundle(function_folder, tmp_path / "bundle")
    script = (
        "import json, sys, types\n"
        "from liteship.runtime.hook import handler\n"
        "context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)\n"
        f"handler({EVENT!r}, context)\n"
        "found = [name for name in sys.modules if 'backends' in name or name == 'PIL']\n"
        "print(json.dumps([sys.modules['liteship'].__file__, found]))\n"
    )
    variables = os.environ | environ | {"PYTHONPATH": str(tmp_path / "bundle")}
    del variables["LAMBDA_TASK_ROOT"]  # without it, the working folder is looked into
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "bundle",
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, found = json.loads(done.stdout.splitlines()[-1])
    assert file == str(tmp_path / "bundle" / "liteship" / "__init__.py")
    assert found == []
    assert codedeploy.reported() == "Succeeded"
