"""liteship's own protocol: `POST /predict`, the model's manifest, and what platforms ask for health."""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.http import HEALTH, WORK, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function
    from liteship.runtime.inference import Inference
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

_MOST_DIGITS = 9


def predict(function: Function, request: Request) -> Response:
    """Answers pictures, raw tensors, JSON, CSV or a form with predictions; timings: `server-timing`."""
    predictor = asked_predictor(function, request)
    content_type = request.headers.get("content-type", "")
    prediction = predictor.predict(request.body, content_type, _top(request))
    function.telemetry.predicted(prediction.inference)
    return Response(200, prediction.fields, server_timing(prediction.inference))


def model(function: Function, request: Request) -> Response:
    """The model's manifest: its tensors, labels, quantization, and where it came from.

    Without the golden outputs, which nobody but the self-test reads: they are as large as an answer.
    """
    manifest = asked_predictor(function, request).manifest.as_dict()
    del manifest["golden"]
    return Response(200, manifest)


def asked_predictor(function: Function, request: Request) -> Predictor | Pipeline:
    """The model that the query names, by `model`, `version` and `label`; else the function's own."""
    name, version, label = (request.parameter(each) or "" for each in ("model", "version", "label"))
    if version and label:
        raise InputError(
            "version-ambiguous",
            "the query names both a version and a label",
            expected="one of them",
            received=f"version {version:.60}, label {label:.60}",
            hint="leave out one",
        )
    return find_predictor(function, request, name, version, label)


def find_predictor(
    function: Function, request: Request, name: str, version: str = "", label: str = ""
) -> Predictor | Pipeline:
    """The model that a request names, in whichever protocol; the request's metrics are its own."""
    predictor = function.predictor_for(name, version=version, label=label)
    request.model = predictor.manifest.name, predictor.manifest.version
    return predictor


def _top(request: Request) -> int | None:
    """How many labels the query asks for; None where it does not say."""
    text = request.parameter("top")
    if text is None:
        return None
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit()):
        raise InputError(
            "top-invalid",
            "the query does not say how many labels to answer",
            expected="a whole number from 1 on",
            received=f"{text:.60}",
            hint="send top=5 for the five best; a number above that of the labels gives all",
        )
    return int(digits[:_MOST_DIGITS])


def server_timing(inference: Inference) -> dict[str, str]:
    """The header that tells a caller how long each step took (https://www.w3.org/TR/server-timing/)."""
    steps = [f"{name};dur={ms:.2f}" for name, ms in inference.timings_ms.items()]
    return {"server-timing": ", ".join(steps)}


def live(_function: Function, _request: Request) -> Response:
    """The process answers."""
    return Response(200, {"live": True})


def ready(function: Function, _request: Request) -> Response:
    """The model is loaded and has answered its golden input; 503 with the reason otherwise.

    It says which model, to the byte, and which of its steps the function replaced.
    """
    predictor = function.require_predictor()
    manifest = predictor.manifest
    content = {
        "ready": True,
        "model": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "hooks": predictor.hooks,
    }
    return Response(200, content)


READY = ("GET", "/health/ready")

READY_V2 = ("GET", "/v2/health/ready")
"""The Open Inference Protocol's; here, so that it is known before that protocol is imported."""

ROUTES = (
    Route("POST", "/predict", predict, WORK),
    Route("GET", "/model", model, WORK),  # may have to load the model
    Route("GET", "/health/live", live, HEALTH),
    Route(*READY, ready, HEALTH),
)
