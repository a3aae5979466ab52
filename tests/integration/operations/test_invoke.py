"""`liteship invoke --stage`: against moto's server, and against AWS's runtime interface emulator."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import LambdaSimpleBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Refused, Run
    from tests.integration.operations.conftest import Cloud

    from liteship.deploy.local.emulator import LambdaEmulator


ROOT = Path(__file__).parents[3]


@pytest.fixture
def event(tmp_path: Path) -> Callable[[Any], str]:
    def write(content: Any) -> str:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None, str | None]]:
    """Function, qualifier and log type of every call. moto ignores the qualifier; Lambda does not."""
    invoke = LambdaResponse.invoke
    calls: list[tuple[str, str | None, str | None]] = []

    def checked(self: Any) -> Any:
        function = self.path.split("/")[-2]
        (qualifier,) = self.querystring.get("Qualifier", [None])
        self.backend.get_function(function, qualifier)
        calls.append((function, qualifier, self.headers.get("X-Amz-Log-Type")))
        return invoke(self)

    monkeypatch.setattr(LambdaResponse, "invoke", checked)
    return calls


def test_the_live_version_answers(cloud: Cloud, liteship: Run, event: Any, calls: list[Any]) -> None:
    function = cloud.deploy(versions=2, live="2")
    result = liteship("invoke", "digits", "--event", event({"a": ["é", 1]}), "--stage", "default")
    assert result.code == 0
    assert result.json == {"a": ["é", 1]}  # moto's functions answer with their event
    assert calls == [(function, "live", "Tail")]


def test_a_version_of_another_stage(cloud: Cloud, liteship: Run, event: Any, calls: list[Any]) -> None:
    function = cloud.deploy("liteship-prod", versions=2)
    where = ["--stage", "prod", "--version", "2"]
    assert liteship("invoke", "digits", "--event", event({}), *where).code == 0
    assert calls == [(function, "2", "Tail")]


def test_a_picture_is_sent_as_an_http_event(
    cloud: Cloud, liteship: Run, tmp_path: Path, digit_png: bytes
) -> None:
    cloud.deploy()
    (tmp_path / "7.png").write_bytes(digit_png)
    result = liteship("invoke", "digits", "--image", str(tmp_path / "7.png"), "--stage", "default")
    assert base64.b64decode(result.json["body"]) == digit_png


@pytest.mark.usefixtures("calls")
def test_a_version_that_is_not_there(cloud: Cloud, refused: Refused, event: Any) -> None:
    cloud.deploy()
    where = ["--stage", "default", "--version", "9"]
    error = refused("invoke", "digits", "--event", event({}), *where)
    assert error["reference"] == "version-missing"
    assert "no version or alias 9" in error["error"]


def test_a_functions_failure_shows_the_end_of_its_log(
    cloud: Cloud, refused: Refused, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    def fail(_self: Any, _name: str, _qualifier: Any, _body: Any, _headers: Any, to: Any) -> bytes:
        to["x-amz-function-error"] = "Unhandled"
        to["x-amz-log-result"] = base64.b64encode(b"START 1\n\nwent wrong\nEND 1\n").decode()
        return b'{"errorType": "KeyError", "errorMessage": "\'Records\'"}'

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", fail)
    cloud.deploy()
    error = refused("invoke", "digits", "--event", event({}), "--stage", "default")
    assert error["reference"] == "invocation-failed"
    assert error["error"].endswith("failed with KeyError: 'Records'")
    assert error["problems"] == ["START 1", "went wrong", "END 1"]


def test_an_event_is_never_sent_twice(
    cloud: Cloud, refused: Refused, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def break_down(self: Any) -> tuple[int, dict[str, str], str]:
        sent.append(self.body)
        return (
            503,
            {"status": "503", "x-amzn-errortype": "ServiceException"},
            '{"Message": "out of order"}',
        )

    monkeypatch.setattr(LambdaResponse, "invoke", break_down)
    cloud.deploy()
    error = refused("invoke", "digits", "--event", event({}), "--stage", "default")
    assert error["reference"] == "aws-refused"
    assert "ServiceException: out of order" in error["error"]
    assert len(sent) == 1


def test_an_answer_that_is_too_large_is_the_functions_failure(
    cloud: Cloud, refused: Refused, event: Any
) -> None:
    cloud.deploy()
    large = event({"body": "x" * 6_000_000})
    error = refused("invoke", "digits", "--event", large, "--stage", "default")
    assert error["reference"] == "invocation-failed"
    assert "Function.ResponseSizeTooLarge" in error["error"]


@pytest.mark.parametrize(
    "options", [["--version", "2"], ["--region", "eu-west-1"], ["--stage", "a", "--url", "b"]]
)
def test_options_that_do_not_go_together(refused: Refused, event: Any, options: list[str]) -> None:
    error = refused("invoke", "digits", "--event", event({}), *options)
    assert error["reference"] == "invoke-where"


@pytest.fixture
def emulated(
    cloud: Cloud,
    emulator: LambdaEmulator,
    statuses: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """The packaged function itself: AWS's emulator is Lambda's endpoint."""
    cloud.deploy()
    statuses["DigitsFunction"] = {"PhysicalResourceId": "function"}  # its name in the emulator
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", emulator.url)
    return ["--stage", "default"]


def test_the_packaged_function_answers(
    liteship: Run, emulated: list[str], tmp_path: Path, digit_png: bytes
) -> None:
    (tmp_path / "7.png").write_bytes(digit_png)
    result = liteship("invoke", "digits", "--image", str(tmp_path / "7.png"), *emulated)
    assert json.loads(result.json["body"])["predictions"][0]["label"] == "7"


def test_the_packaged_functions_failure_is_an_error(
    refused: Refused, emulated: list[str], event: Any
) -> None:
    error = refused("invoke", "digits", "--event", event({"form": "unknown"}), *emulated)
    assert error["reference"] == "invocation-failed"
    assert "InputError" in error["error"]
