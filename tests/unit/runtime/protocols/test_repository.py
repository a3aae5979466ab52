from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from liteship import Function
from liteship.runtime import routes
from liteship.runtime.http import Request
from liteship.runtime.models_setting import ModelsSetting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Function]

LAZY = "is loaded at its first request"


@pytest.fixture
def serve(repository_folder: Path) -> Make:
    """The repository as an HTTP server serves it, or Lambda."""

    def make(*, control: bool = True, is_server: bool = True) -> Function:
        setting = ModelsSetting("digits", "2", control=control)
        environ = {"LITESHIP_MODELS": setting.to_json()}
        function = Function(str(repository_folder / "app.py"), environ=environ)
        if is_server:
            assert function.asgi.workers >= 1
        return function

    return make


def ask(
    function: Function, path: str, body: bytes | str = b"", method: str = "POST"
) -> tuple[int, Any]:
    body = body.encode() if isinstance(body, str) else body
    response = routes.answer(function, Request(method, path, {}, body, "r"))
    assert response is not None
    return response.status, json.loads(response.body)


def index(function: Function, body: str = "") -> list[tuple[str, ...]]:
    status, content = ask(function, "/v2/repository/index", body)
    assert status == 200
    return [tuple(entry.values()) for entry in content]


def refusal(function: Function, path: str, body: bytes | str = b"") -> tuple[int, str]:
    status, content = ask(function, path, body)
    return status, content["reference"]


def test_the_index_names_every_version_and_its_state(serve: Make) -> None:
    function = serve()
    before = [
        *[("digits", "1", "READY", LAZY), ("digits", "2", "READY", ""), ("wine", "1", "READY", LAZY)]
    ]
    assert index(function) == index(function, "{}") == index(function, '{"ready": false}') == before
    assert function.predictor_for("wine").manifest.name == "wine"
    assert index(function)[2] == ("wine", "1", "READY", "")


def test_what_cannot_be_loaded_is_unavailable(serve: Make, repository_folder: Path) -> None:
    (repository_folder / "model" / "wine" / "1" / "model.tflite").write_bytes(b"damaged")
    function = serve()
    assert refusal(function, "/v2/repository/models/wine/load") == (503, "artifact-digest")
    name, version, state, reason = index(function)[2]
    assert (name, version, state) == ("wine", "1", "UNAVAILABLE")
    assert "is not the model that model.json describes" in reason
    assert [entry[0] for entry in index(function, '{"ready": true}')] == ["digits", "digits"]


def test_a_function_of_one_model_has_an_index_too(make_function: Make, function_folder: Path) -> None:
    assert index(make_function()) == [("digits", "1", "READY", "")]
    (function_folder / "model" / "model.json").unlink()
    ((name, state, reason),) = index(make_function())
    assert (name, state) == ("unknown", "UNAVAILABLE")
    assert "there is no" in reason
    assert index(make_function(), '{"ready": true}') == []


def test_a_model_is_unloaded_until_it_is_loaded(serve: Make) -> None:
    function = serve()
    assert ask(function, "/v2/repository/models/wine/load") == (200, {})
    assert index(function)[2] == ("wine", "1", "READY", "")
    assert ask(function, "/v2/repository/models/wine/unload") == (200, {})
    assert index(function)[2] == ("wine", "1", "UNAVAILABLE", "model wine version 1 has been unloaded")
    response = routes.answer(function, Request("POST", "/predict", {}, b"x", "r", "model=wine"))
    assert response is not None
    assert (response.status, json.loads(response.body)["reference"]) == (503, "model-unloaded")
    assert ask(function, "/v2/repository/models/wine/load", "{}") == (200, {})
    assert function.served.refusal("wine") is None


def test_what_triton_s_client_sends_is_understood(serve: Make) -> None:
    function = serve()
    body = '{"parameters": {"unload_dependents": false}}'
    assert ask(function, "/v2/repository/models/wine/unload", body) == (200, {})
    assert ask(function, "/v2/repository/models/wine/unload/", body) == (200, {})


def test_the_function_s_own_model_stays(serve: Make) -> None:
    function = serve()
    assert refusal(function, "/v2/repository/models/digits/unload") == (400, "model-kept")
    assert ask(function, "/v2/repository/models/digits/load") == (200, {})
    assert function.served.refusal() is None


@pytest.mark.parametrize("what", ["load", "unload"])
@pytest.mark.parametrize("name", ["other", "..", "%2e%2e", "a\0b", "x" * 10_000, "é"])
def test_an_unknown_model_is_not_found(serve: Make, what: str, name: str) -> None:
    path = f"/v2/repository/models/{name}/{what}"
    assert refusal(serve(), path) == (404, "model-unknown")


@pytest.mark.parametrize("what", ["load", "unload"])
def test_control_is_for_whom_it_is_switched_on(serve: Make, make_function: Make, what: str) -> None:
    path = f"/v2/repository/models/wine/{what}"
    assert refusal(serve(control=False), path) == (400, "control-off")
    assert refusal(make_function(), path) == (400, "control-off")
    assert refusal(serve(is_server=False), path) == (400, "control-lambda")


@pytest.mark.parametrize(
    "parameters",
    [
        {"config": "{}"},
        {"file:1/model.tflite": "AAAA"},
        {"unload_dependents": True},
        {"unload_dependents": 0},
        {"more": None},
    ],
)
def test_models_are_served_as_they_are_in_the_package(serve: Make, parameters: dict[str, Any]) -> None:
    body = json.dumps({"parameters": parameters})
    path = "/v2/repository/models/wine/load"
    assert refusal(serve(), path, body) == (400, "parameters-unsupported")


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        ("{", "json-invalid"),
        (b"\xff", "json-invalid"),
        ("[" * 100_000, "json-invalid"),
        ("[]", "repository-request"),
        ("1", "repository-request"),
        ('{"ready": 1}', "repository-request"),
        ('{"ready": null}', "repository-request"),
    ],
)
def test_a_request_that_is_none_is_told(serve: Make, body: str | bytes, reference: str) -> None:
    assert refusal(serve(), "/v2/repository/index", body) == (400, reference)


def test_parameters_are_an_object(serve: Make) -> None:
    path = "/v2/repository/models/wine/load"
    assert refusal(serve(), path, '{"parameters": []}') == (400, "repository-request")
