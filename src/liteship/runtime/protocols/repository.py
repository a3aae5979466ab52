"""The model repository extension of the Open Inference Protocol: what there is, loaded and unloaded.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
Versions have no part in its paths: what is said of a model is said of each of its versions.
"""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.http import QUESTION, WORK, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function
    from liteship.runtime.models import Models

KNOWN = {"unload_dependents": False}
"""Parameters, with the one value that can be met: no model here was loaded for the sake of another."""


def index(function: Function, request: Request) -> Response:
    """Lists every version of every model; with `{"ready": true}` those that answer."""
    only_ready = _read_object(request.body).get("ready", False)
    if not isinstance(only_ready, bool):
        raise _invalid("ready is neither true nor false", '{"ready": true}')
    entries = function.served.index()
    return Response(200, [each for each in entries if not only_ready or each["state"] == "READY"])


def load(function: Function, request: Request) -> Response:
    """Makes a model answer again after it was unloaded, or could not be loaded."""
    models = _require_control(function, request)
    models.load(request.path_parameters["name"])
    return Response(200, {})


def unload(function: Function, request: Request) -> Response:
    """Takes a model away until it is loaded again; its memory is freed."""
    models = _require_control(function, request)
    models.unload(request.path_parameters["name"])
    return Response(200, {})


def _require_control(function: Function, request: Request) -> Models:
    models, setting = function.served.models, function.settings.models
    if models is None or setting is None or not setting.control:
        raise InputError(
            "control-off",
            "this function does not load or unload models when asked to",
            hint="set models.control = true in function.toml; what is asked for is loaded by itself",
        )
    if not function.is_server:
        raise InputError(
            "control-lambda",
            "on Lambda each instance has a memory of its own: a request reaches one of them",
            hint="ask for a prediction: each instance loads what it is asked for",
        )
    parameters = _read_object(request.body).get("parameters", {})
    if not isinstance(parameters, dict):
        raise _invalid("parameters are no object", '{"parameters": {}}')
    refused = [
        name for name, value in parameters.items() if name not in KNOWN or value is not KNOWN[name]
    ]
    if refused:
        raise InputError(
            "parameters-unsupported",
            "models are served as they are in the package",
            expected="no parameters",
            received=f"{', '.join(refused):.80}",
            hint="change the model repository, and deploy again",
        )
    return models


def _read_object(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    from liteship.runtime.codecs.json_form import parse_json

    content = parse_json(body)
    if not isinstance(content, dict):
        raise _invalid("the body is no JSON object", "an object, or nothing")
    return content


def _invalid(message: str, expected: str) -> InputError:
    return InputError(
        "repository-request",
        message,
        expected=expected,
        hint="see the model repository extension of the Open Inference Protocol",
    )


_MODEL = "/v2/repository/models/{name}"

ROUTES = (
    Route("POST", "/v2/repository/index", index, QUESTION),
    Route("POST", f"{_MODEL}/load", load, WORK),
    Route("POST", f"{_MODEL}/unload", unload, WORK),
)
