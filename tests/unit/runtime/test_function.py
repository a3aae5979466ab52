from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.conftest import DIGITS

import liteship
from liteship import Function
from liteship.errors import ConfigurationError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Function]


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_public_names_are_found_where_they_live() -> None:
    assert {name: getattr(liteship, name).__name__ for name in liteship._HOME} == {
        name: name for name in liteship._HOME
    }
    assert dir(liteship) == sorted(liteship.__all__)


def test_an_unknown_public_name_is_told_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'; it has Artifact"):
        _ = liteship.Nothing


def test_a_start_is_logged_with_its_times(
    make_function: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function()
    (line,) = log_lines(capsys)
    assert (line["level"], line["message"]) == ("INFO", "model ready")
    assert (line["model"], line["version"]) == ("digits", "1")
    assert 0 < line["load_ms"] <= line["init_ms"]  # type: ignore[operator]
    assert function.require_predictor().manifest.name == "digits"


def test_the_model_is_the_one_beside_the_file_wherever_the_process_runs(
    function_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(function_folder)
    function = Function("app.py", environ={})
    monkeypatch.chdir(tmp_path)
    assert function.require_predictor().manifest.name == "digits"


def test_settings_that_cannot_be_used_end_the_start(make_function: Make) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_function(LITESHIP_WORKERS="none")
    assert raised.value.reference == "environment-invalid"


def test_a_model_that_is_not_there_is_a_reason_not_to_be_ready(
    function_folder: Path, make_function: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    (function_folder / "model" / "model.tflite").unlink()
    function = make_function()
    (line,) = log_lines(capsys)
    assert (line["level"], line["message"]) == ("ERROR", "model not ready")
    assert line["reference"] == "artifact-missing"
    with pytest.raises(NotReadyError) as raised:
        function.require_predictor()
    assert raised.value.reference == "artifact-missing"
    assert "model.tflite" in raised.value.message


def test_a_back_end_that_is_not_there_is_a_reason_too(make_function: Make) -> None:
    function = make_function(LITESHIP_BACKEND="tflite-runtime")
    with pytest.raises(NotReadyError) as raised:
        function.require_predictor()
    assert raised.value.reference == "backend-missing"


def test_a_backend_of_choice_answers_alike(make_function: Make, digit_png: bytes) -> None:
    answers = [
        make_function(LITESHIP_BACKEND=backend)
        .require_predictor()
        .predict(digit_png, "image/png")
        .fields
        for backend in ("litert-c", "litert")
    ]
    assert answers[0] == answers[1]


def test_hooks_and_routes_of_its_own(function_folder: Path) -> None:
    seen: list[object] = []
    function = Function(
        str(function_folder / "app.py"),
        preprocess=lambda _body, _type: {"image": bytes(64)},
        postprocess=lambda _outputs: {"answer": 42},
        extend=seen.append,
        environ={},
    )
    fields = function.require_predictor().predict(b"x", "text/plain").fields
    assert fields["answer"] == 42
    assert seen == []  # the framework is not needed yet
    app = function.app
    assert seen == [app]


def test_a_model_that_stays_wrong_is_tried_more_and_more_seldom(
    make_function: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    function = make_function(LITESHIP_MODEL=str(tmp_path / "nowhere"))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 7:  # it comes back, and is not tried again
            function.settings.model = str(DIGITS / "model")

    monkeypatch.setattr(time, "sleep", sleep)
    function._load_until_ready()
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert function.require_predictor().manifest.name == "digits"


def test_whatever_goes_wrong_it_is_tried_again(
    make_function: Make,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a thread of its own, an error that nobody expected would end all further attempts."""
    function = make_function(LITESHIP_MODEL=str(tmp_path / "nowhere"))
    places = iter([0, str(DIGITS / "model")])  # a folder that is none at all
    monkeypatch.setattr(
        time, "sleep", lambda _: setattr(function.settings, "model", next(places) or "/nowhere\0")
    )
    function._load_until_ready()
    levels = [(line["level"], line["message"]) for line in log_lines(capsys)]
    assert levels[1][0] == "ERROR"
    assert levels[-1] == ("INFO", "model ready")
