"""liteship's own protocol: `POST /predict`, and the two health questions platforms ask."""

from __future__ import annotations

from liteship.runtime.http import HEALTH, WORK, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function
    from liteship.runtime.predictor import Inference, Predictor


def predict(function: Function, request: Request) -> Response:
    """Answers a picture, raw tensors, JSON or CSV with predictions; timings are in `server-timing`."""
    predictor = asked_predictor(function, request)
    prediction = predictor.predict(request.body, request.headers.get("content-type", ""))
    function.telemetry.predicted(prediction.inference)
    return Response(200, prediction.fields, server_timing(prediction.inference))


def server_timing(inference: Inference) -> dict[str, str]:
    """The header that tells a caller how long each step took (https://www.w3.org/TR/server-timing/)."""
    steps = [f"{name};dur={ms:.2f}" for name, ms in inference.timings_ms.items()]
    return {"server-timing": ", ".join(steps)}


def model(function: Function, request: Request) -> Response:
    """The model's manifest, as `model.json` has it."""
    return Response(200, asked_predictor(function, request).manifest.as_dict())


def asked_predictor(function: Function, request: Request) -> Predictor:
    """The model that a query asks for by `model`, and `version` or `label`; the default without."""
    predictor = function.predictor_for(
        request.parameter("model") or "",
        version=request.parameter("version") or "",
        label=request.parameter("label") or "",
    )
    request.model = predictor.manifest.name, predictor.manifest.version
    return predictor


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
