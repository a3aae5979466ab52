from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from liteship import Function
from liteship.runtime.http import HEALTH, QUESTION, WORK, Request
from liteship.runtime.routes import answer, find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def ask(
    method: str, path: str, body: bytes = b"", content_type: str = "", request_id: str = "id-1"
) -> Request:
    return Request(method, path, {"content-type": content_type}, body, request_id)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/predict", WORK),
        ("GET", "/health/live", HEALTH),
        ("GET", "/health/ready", HEALTH),
        ("GET", "/v2", QUESTION),
        ("GET", "/v2/health/ready", HEALTH),
        ("GET", "/v2/models/a", WORK),
        ("GET", "/v2/models/a/versions/1/ready", QUESTION),
        ("POST", "/v2/models/a/versions/1/infer", WORK),
        ("GET", "/v2x", None),
        ("GET", "/v2/models", None),
        ("GET", "/v2/models//ready", None),
        ("POST", "/v2/models/a/b/infer", None),
        ("GET", "/predict", None),
        ("GET", "/nowhere", None),
    ],
)
def test_the_short_list(
    make_function: Callable[..., Function], method: str, path: str, kind: str | None
) -> None:
    found = find(make_function(), method, path)
    assert (found and found[0].kind) == kind


def test_health(make_function: Callable[..., Function]) -> None:
    function = make_function()
    live = answer(function, ask("GET", "/health/live"))
    ready = answer(function, ask("GET", "/health/ready"))
    assert live is not None
    assert ready is not None
    assert (live.status, json.loads(live.body)) == (200, {"live": True})
    assert ready.status == 200
    assert json.loads(ready.body) == {
        "ready": True,
        "model": "digits",
        "version": "1",
        "sha256": hashlib.sha256(function.require_predictor().artifact.model).hexdigest(),
        "hooks": [],
    }


def test_readiness_names_the_steps_that_the_function_replaced(function_folder: Path) -> None:
    function = Function(
        str(function_folder / "app.py"), postprocess=lambda _outputs: {"answer": 42}, environ={}
    )
    ready = answer(function, ask("GET", "/health/ready"))
    assert ready is not None
    assert json.loads(ready.body)["hooks"] == ["postprocess"]


def test_a_prediction_names_its_request_and_its_timings(
    make_function: Callable[..., Function], digit_png: bytes
) -> None:
    response = answer(make_function(), ask("POST", "/predict", digit_png, "image/png"))
    assert response is not None
    assert response.status == 200
    assert json.loads(response.body)["predictions"][0]["label"] == "7"
    assert response.headers["x-request-id"] == "id-1"
    timings = [each.split(";dur=") for each in response.headers["server-timing"].split(", ")]
    assert [name for name, _ in timings] == ["preprocess", "invoke", "postprocess"]
    assert all(float(ms) >= 0 for _, ms in timings)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/predict"),
        ("POST", "/"),
        ("POST", "/predict/"),
        ("post", "/predict"),
        ("HEAD", "/health/live"),
    ],
)
def test_everything_else_is_somebody_elses(
    method: str, path: str, make_function: Callable[..., Function]
) -> None:
    assert answer(make_function(), ask(method, path)) is None


def test_a_callers_mistake_is_answered_and_logged(
    make_function: Callable[..., Function], capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function()
    capsys.readouterr()
    response = answer(function, ask("POST", "/predict", b"x", "image/png", request_id="id-2"))
    assert response is not None
    assert response.status == 415
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"], line["status"]) == ("WARNING", "refused", 415)
    assert line["reference"] == "image-format"
    assert line["request_id"] == "id-2" == json.loads(response.body)["request_id"]
    assert "traceback" not in line


def test_a_key_with_half_a_character_is_refused_like_every_other(
    make_function: Callable[..., Function], capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function()
    capsys.readouterr()
    body = b'{"inputs": {"\\ud800": [1]}}'
    response = answer(function, ask("POST", "/predict", body, "application/json"))
    assert response is not None
    assert response.status == 400
    assert json.loads(response.body)["received"] == "\ud800"
    assert json.loads(capsys.readouterr().out)["received"] == "\ud800"


def test_an_unexpected_failure_is_opaque_to_the_caller_and_whole_in_the_log(
    make_function: Callable[..., Function], capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function()
    assert function._predictor is not None
    function._predictor._preprocess = lambda _body, _type: {"image": b"short"}
    capsys.readouterr()
    response = answer(function, ask("POST", "/predict", b"x", "image/png", request_id="id-3"))
    assert response is not None
    assert response.status == 500
    assert json.loads(response.body)["reference"] == "internal"
    assert b"short" not in response.body
    assert b"64 bytes" not in response.body
    line = json.loads(capsys.readouterr().out)
    assert line["level"] == "ERROR"
    assert line["request_id"] == "id-3"
    assert "received 5" in line["error"]
    assert "Traceback" in line["traceback"]
