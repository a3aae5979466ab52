"""Open Inference Protocol v2 over REST, with the binary tensor and classification extensions.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from time import perf_counter

import liteship
from liteship.runtime.http import HEALTH, QUESTION, WORK, Response, Route
from liteship.runtime.protocols.native import READY_V2, find_predictor, server_timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.function import Function
    from liteship.runtime.http import Request
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

EXTENSIONS = ("binary_tensor_data", "classification", "model_repository")
"""What of the protocol's options is answered, by the names of Triton's documents."""

PLATFORM = "litert_tflite"
"""`<project>_<format>`, as the protocol's section "Platforms" has it: LiteRT runs a .tflite file."""


def server_metadata(_function: Function, _request: Request) -> Response:
    """Name and version of the server, and which extensions of the protocol it answers."""
    content = {"name": "liteship", "version": liteship.__version__, "extensions": list(EXTENSIONS)}
    return Response(200, content)


def live(_function: Function, _request: Request) -> Response:
    """The server answers, in the Open Inference Protocol."""
    return Response(200, {"live": True})


def ready(function: Function, _request: Request) -> Response:
    """Every model is ready, in the Open Inference Protocol; 503 with the reason otherwise."""
    function.require_predictor()
    return Response(200, {"ready": True})


def model_metadata(function: Function, request: Request) -> Response:
    """Name and versions of a model, its inputs and its outputs."""
    manifest = _predictor(function, request).manifest
    content = {
        "name": manifest.name,
        "versions": function.served.versions(manifest.name),
        "platform": PLATFORM,
        "inputs": [_input_metadata(spec, manifest) for spec in manifest.inputs],
        "outputs": [_tensor_metadata(spec, manifest) for spec in manifest.outputs],
        "properties": {"scheme": manifest.scheme, "sha256": manifest.sha256},
    }
    return Response(200, content)


def model_ready(function: Function, request: Request) -> Response:
    """A model is ready; 503 with the reason otherwise."""
    name, version = _named(request)
    refusal = function.served.refusal(name, version)
    if refusal is not None:
        raise refusal
    return Response(200, {"name": name, "ready": True})


def infer(function: Function, request: Request) -> Response:
    """Answers input tensors, in JSON or binary, with output tensors; timings are in `server-timing`."""
    from liteship.runtime.protocols.oip_request import read_request
    from liteship.runtime.protocols.oip_response import write_response
    from liteship.runtime.protocols.oip_tensors import decode_items

    predictor = _predictor(function, request)
    manifest, settings = predictor.manifest, function.settings
    start = perf_counter()
    asked = read_request(request, manifest, settings.max_batch)
    read_ms = (perf_counter() - start) * 1e3
    inference = predictor.infer(
        lambda: decode_items(asked.inputs, manifest, settings.max_batch, settings.max_pixels)
    )
    start = perf_counter()
    response = write_response(inference, asked, predictor)
    inference.timings_ms["preprocess"] += read_ms
    inference.timings_ms["postprocess"] = (perf_counter() - start) * 1e3
    function.telemetry.predicted(inference)
    response.headers |= server_timing(inference)
    return response


def _predictor(function: Function, request: Request) -> Predictor | Pipeline:
    return find_predictor(function, request, *_named(request))


def _named(request: Request) -> tuple[str, str]:
    return request.path_parameters["name"], request.path_parameters.get("version", "")


def _input_metadata(spec: TensorSpec, manifest: Manifest) -> dict[str, object]:
    from liteship.runtime.protocols.oip_tensors import accepted_datatypes

    metadata = _tensor_metadata(spec, manifest)
    accepted = {"datatypes": ", ".join(accepted_datatypes(spec, manifest))}
    return metadata | {"parameters": accepted | _quantization(spec)}


def _tensor_metadata(spec: TensorSpec, manifest: Manifest) -> dict[str, object]:
    from liteship.runtime.protocols.oip_tensors import datatype_of

    metadata: dict[str, object] = {
        "name": spec.name,
        "datatype": datatype_of(spec),
        "shape": manifest.outer_shape(spec),
    }
    quantization = _quantization(spec)
    return metadata | ({"parameters": quantization} if quantization else {})


def _quantization(spec: TensorSpec) -> dict[str, object]:
    """What a caller needs who quantizes tensors before sending them."""
    if not spec.is_quantized:
        return {}
    from liteship.runtime.protocols.oip_tensors import DATATYPES

    return {
        "quantized_datatype": DATATYPES[spec.dtype],
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }


_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"

ROUTES = (
    Route("GET", "/v2", server_metadata, QUESTION),
    Route("GET", "/v2/health/live", live, HEALTH),
    Route(*READY_V2, ready, HEALTH),
    Route("GET", _MODEL, model_metadata, WORK),  # may have to load the model
    Route("GET", _VERSION, model_metadata, WORK),
    Route("GET", f"{_MODEL}/ready", model_ready, QUESTION),
    Route("GET", f"{_VERSION}/ready", model_ready, QUESTION),
    Route("POST", f"{_MODEL}/infer", infer, WORK),
    Route("POST", f"{_VERSION}/infer", infer, WORK),
)
