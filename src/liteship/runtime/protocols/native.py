"""liteship's own protocol: `POST /predict`, and the two health questions platforms ask."""

from __future__ import annotations

from liteship.runtime.http import HEALTH, WORK, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function
    from liteship.runtime.predictor import Inference


def predict(function: Function, request: Request) -> Response:
    """Answers a picture, raw tensors, JSON or CSV with predictions; timings are in `server-timing`."""
    named = {each: request.parameter(each) or "" for each in ("version", "label")}
    predictor = function.predictor_for(request.parameter("model") or "", **named)
    prediction = predictor.predict(request.body, request.headers.get("content-type", ""))
    function.telemetry.predicted(prediction.inference)
    return Response(200, prediction.fields, server_timing(prediction.inference))


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

ROUTES = (
    Route("POST", "/predict", predict, WORK),
    Route("GET", "/health/live", live, HEALTH),
    Route(*READY, ready, HEALTH),
)
