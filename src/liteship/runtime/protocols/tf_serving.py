"""TensorFlow Serving's REST form (https://www.tensorflow.org/tfx/serving/api_rest).

Row form answers row form, column form column form:

    {"instances": [item, …]}    →  {"predictions": [item, …]}
    {"inputs": batch}           →  {"outputs": batch}

The content type is not looked at, as there: `curl -d` names a form. Unlike there, NaN and infinities
are refused, a version is a name, and `:classify` and `:regress` are not offered.
"""

from __future__ import annotations

from time import perf_counter

from liteship.errors import InputError
from liteship.runtime.http import QUESTION, WORK, Request, Response, Route
from liteship.runtime.protocols.native import find_predictor, server_timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.errors import NotReadyError
    from liteship.runtime.function import Function
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

SIGNATURE = "serving_default"
"""The one signature, by TensorFlow's name for it."""

_TYPES = {
    "bool": "DT_BOOL",
    "float16": "DT_HALF",
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
} | {
    f"{kind}{bits}": f"DT_{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
}


def predict(function: Function, request: Request) -> Response:
    """Answers tensors of one item or more in TensorFlow Serving's row or column form."""
    from liteship.runtime.protocols.tf_serving_tensors import answer, decode

    predictor = _predictor(function, request)
    settings = function.settings
    is_row = True

    def prepare() -> list[dict[str, bytes]]:
        nonlocal is_row
        content = read_content(request.body, predictor.manifest, settings.max_batch)
        is_row = "instances" in content
        return decode(content, predictor.manifest, settings.max_pixels, settings.max_batch)

    inference = predictor.infer(prepare)
    start = perf_counter()
    fields = answer(inference, predictor.manifest, is_row=is_row)
    inference.timings_ms["postprocess"] = (perf_counter() - start) * 1e3
    function.telemetry.predicted(inference)
    return Response(200, fields, server_timing(inference))


def status(function: Function, request: Request) -> Response:
    """Which versions of a model are available: all, or the one that a version or a label stands for."""
    served, path = function.served, request.path_parameters
    if "version" in path or "label" in path:
        versions = [_predictor(function, request).manifest.version]
    else:
        versions = served.versions(path["name"])
    states = [_state(version, served.refusal(path["name"], version)) for version in versions]
    return Response(200, {"model_version_status": states})


def _state(version: str, refusal: NotReadyError | None) -> dict[str, object]:
    if refusal is None:
        state, code, message = "AVAILABLE", "OK", ""
    else:
        state, code, message = "END", "UNAVAILABLE", refusal.message
    return {
        "version": version,
        "state": state,
        "status": {"error_code": code, "error_message": message},
    }


def metadata(function: Function, request: Request) -> Response:
    """A model's signature: inputs and outputs, in the real numbers that quantized ones stand for."""
    manifest = _predictor(function, request).manifest
    signature = {
        "inputs": {spec.name: _described(spec, manifest) for spec in manifest.inputs},
        "outputs": {spec.name: _described(spec, manifest) for spec in manifest.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    content = {
        "model_spec": {"name": manifest.name, "signature_name": "", "version": manifest.version},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }
    return Response(200, content)


def unsupported(_function: Function, request: Request) -> Response:
    """Refuses TensorFlow Serving's `:classify` and `:regress`, which take tf.Example."""
    raise InputError(
        "method-unsupported",
        f"this server does not answer {request.path.rpartition(':')[2]}",
        expected=":predict",
        received=f"{request.path:.200}",
        hint="send tensors to :predict; POST /predict answers labels and scores",
    )


def _predictor(function: Function, request: Request) -> Predictor | Pipeline:
    path = request.path_parameters
    return find_predictor(
        function, request, path["name"], path.get("version", ""), path.get("label", "")
    )


def read_content(body: bytes, manifest: Manifest, max_batch: int) -> dict[str, object]:
    """Reads a request's body, and refuses one without tensors.

    Raises:
        InputError: `json-form`, `signature-unknown`, or as `parse_tensors`.
        PayloadTooLargeError: `json-too-long`.
    """
    from liteship.runtime.codecs.json_form import parse_tensors

    # Without a batch, rows are put together to one tensor: they have to stay lists
    keys = {"instances", "inputs", *(spec.name for spec in manifest.inputs)}
    content = parse_tensors(body, keys if manifest.is_batched else (), manifest, max_batch)
    if not isinstance(content, dict) or len(content.keys() & {"instances", "inputs"}) != 1:
        raise InputError(
            "json-form",
            "the body is not a request to predict",
            expected='an object with either "instances" or "inputs"',
            received=f"{body[:60].decode(errors='replace')}",
            hint='send {"instances": [item, …]}',
        )
    signature = content.get("signature_name", SIGNATURE)
    if signature not in ("", SIGNATURE):
        raise InputError(
            "signature-unknown",
            f'Serving signature name: "{signature:.60}" not found in signature def'
            if isinstance(signature, str)
            else '"signature_name" is not a string',
            expected=SIGNATURE,
            hint="leave signature_name out",
        )
    return content


def _described(spec: TensorSpec, manifest: Manifest) -> dict[str, object]:
    return {
        "dtype": "DT_FLOAT" if spec.is_quantized else _TYPES[spec.dtype],
        "tensor_shape": {
            "dim": [{"size": str(size), "name": ""} for size in manifest.outer_shape(spec)],
            "unknown_rank": False,
        },
        "name": spec.name,
    }


_MODEL = "/v1/models/{name}"
_MODELS = (_MODEL, f"{_MODEL}/versions/{{version}}", f"{_MODEL}/labels/{{label}}")

ROUTES = (
    *(Route("POST", f"{model}:predict", predict, WORK) for model in _MODELS),
    *(Route("GET", model, status, WORK) for model in _MODELS),  # may have to load the model
    *(Route("GET", f"{model}/metadata", metadata, WORK) for model in _MODELS),
    *(
        Route("POST", f"{model}:{method}", unsupported, QUESTION)
        for model in _MODELS
        for method in ("classify", "regress")
    ),
)
