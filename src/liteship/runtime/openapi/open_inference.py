"""The Open Inference Protocol, described for one model.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from liteship.runtime.codecs import BINARY_TYPE, JSON_TYPE
from liteship.runtime.examples import example_numbers, example_picture
from liteship.runtime.openapi.parts import MOST_ELEMENTS, MOST_PIXELS, array_of, object_of, responses
from liteship.runtime.protocols.oip_binary import HEADER
from liteship.runtime.protocols.oip_tensors import (
    DATATYPES,
    accepted_datatypes,
    datatype_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.openapi.parts import Json
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

_TAG = "Open Inference Protocol"

_PARAMETERS: Json = {"type": ["object", "null"], "description": "See the protocol and its extensions."}

_HEADER = {
    "name": HEADER,
    "in": "header",
    "description": "Length of the JSON in bytes, where tensors follow it: the binary tensor extension.",
    "schema": {"type": "integer", "minimum": 0},
}


def _infer(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    count = len(manifest.inputs)
    wanted = array_of(_output_wanted(manifest), 0, len(manifest.outputs))
    request = object_of(
        {
            "id": {"type": ["string", "null"]},
            "parameters": _PARAMETERS,
            "inputs": array_of(_input(manifest), count, count),
            "outputs": wanted | {"type": ["array", "null"]},
        },
        optional=("id", "parameters", "outputs"),
    )
    answer = object_of(
        {
            "model_name": {"type": "string", "example": manifest.name},
            "model_version": {"type": "string", "example": manifest.version},
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "outputs": array_of(_output(manifest), 1, len(manifest.outputs)),
        },
        optional=("id", "parameters"),
    )
    binary = {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "JSON as above, then the tensors' bytes in order; the header "
            f"`{HEADER}` is the length of the JSON.",
        }
    }
    return {
        "tags": [_TAG],
        "parameters": [_HEADER],
        "requestBody": {
            "required": True,
            "content": {
                JSON_TYPE: {"schema": request, "examples": _examples(predictor)},
                BINARY_TYPE: binary,
            },
        },
        "responses": responses(answer, 400, 404, 413, 415, 503, content={BINARY_TYPE: binary}),
    }


def _input(manifest: Manifest) -> Json:
    datatypes = {each for spec in manifest.inputs for each in accepted_datatypes(spec, manifest)}
    schema = object_of(
        {
            "name": {"enum": [spec.name for spec in manifest.inputs]},
            "shape": array_of({"type": "integer", "minimum": 1}, 0),
            "datatype": {"enum": sorted(datatypes)},
            "parameters": _PARAMETERS,
            "data": {"type": "array", "description": "Row-major, flat or nested."},
        },
        optional=("parameters", "data"),
    )
    return schema | {"description": _sentences(manifest.inputs, manifest)}


def _output_wanted(manifest: Manifest) -> Json:
    names = {"enum": [spec.name for spec in manifest.outputs]}
    return object_of({"name": names, "parameters": _PARAMETERS}, optional=("parameters",))


def _output(manifest: Manifest) -> Json:
    schema = object_of(
        {
            "name": {"enum": [spec.name for spec in manifest.outputs]},
            "shape": array_of({"type": "integer", "minimum": 1}, 0),
            "datatype": {"type": "string"},
            "parameters": _PARAMETERS,
            "data": {"type": "array", "items": {"type": ["number", "boolean", "string"]}},
        },
        optional=("parameters", "data"),
    )
    return schema | {"description": _sentences(manifest.outputs, manifest)}


def _sentences(specs: Iterable[TensorSpec], manifest: Manifest) -> str:
    tensors = ", ".join(
        f"{spec.name} {datatype_of(spec)} {manifest.outer_shape(spec)}" for spec in specs
    )
    return f"The model's: {tensors}" + "; -1 is the number of items." * manifest.is_batched


def _examples(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    examples: Json = {}
    if not predictor.takes_tensors:
        return examples
    numbers = example_numbers(predictor, MOST_ELEMENTS)
    if numbers is not None:
        inputs = [
            {
                "name": spec.name,
                "shape": list(spec.item_shape),
                "datatype": datatype_of(spec),
                "data": numbers[spec.name],
            }
            for spec in manifest.inputs
        ]
        examples["tensor"] = {"value": {"id": "1", "inputs": inputs}}
    picture = example_picture(predictor, MOST_PIXELS)
    if picture is not None:
        tensor = {"name": manifest.inputs[0].name, "shape": [1], "datatype": "BYTES", "data": [picture]}
        examples["picture"] = {"value": {"id": "1", "inputs": [tensor]}}
    return examples


def _server(_predictor: Predictor | Pipeline) -> Json:
    schema = object_of(
        {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "extensions": array_of({"type": "string"}, 0),
        }
    )
    return {"tags": [_TAG], "responses": responses(schema, 400)}


def _model(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    schema = object_of(
        {
            "name": {"type": "string", "example": manifest.name},
            "versions": array_of({"type": "string"}, 0),
            "platform": {"type": "string"},
            "inputs": _tensors(manifest.inputs, manifest),
            "outputs": _tensors(manifest.outputs, manifest),
        },
        optional=("versions",),
    )
    return {"tags": [_TAG], "responses": responses(schema, 400, 404, 503)}


def _tensors(specs: Iterable[TensorSpec], manifest: Manifest) -> Json:
    """The metadata of some tensors, with what this model's are as an example."""
    schema = object_of(
        {
            "name": {"type": "string"},
            "datatype": {"enum": [*DATATYPES.values(), "FP16", "BYTES"]},
            "shape": array_of({"type": "integer", "minimum": -1}, 0),
        }
    )
    example = [
        {
            "name": spec.name,
            "datatype": datatype_of(spec),
            "shape": manifest.outer_shape(spec),
        }
        for spec in specs
    ]
    return array_of(schema, 1) | {"example": example}


def _health(_predictor: Predictor | Pipeline) -> Json:
    return {"tags": [_TAG], "responses": responses({"type": "object"}, 400, 503)}


def _model_ready(_predictor: Predictor | Pipeline) -> Json:
    return {"tags": [_TAG], "responses": responses({"type": "object"}, 400, 404, 503)}


def _index(_predictor: Predictor | Pipeline) -> Json:
    entry = object_of(
        {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "state": {"enum": ["UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING"]},
            "reason": {"type": "string"},
        },
        optional=("version", "reason"),
    )
    body = object_of({"ready": {"type": "boolean"}}, optional=("ready",))
    return {
        "tags": [_TAG],
        "requestBody": {"content": {JSON_TYPE: {"schema": body, "example": {"ready": True}}}},
        "responses": responses(array_of(entry, 0), 400, 413, 415),
    }


def _control(_predictor: Predictor | Pipeline) -> Json:
    """Loading and unloading; a 400 where the function does not let callers do it."""
    body = object_of({"parameters": {"type": "object"}}, optional=("parameters",))
    return {
        "tags": [_TAG],
        "requestBody": {"content": {JSON_TYPE: {"schema": body}}},
        "responses": responses({"type": "object"}, 400, 404, 413, 415, 503),
    }


OPERATIONS = {
    ("GET", "/v2"): _server,
    ("GET", "/v2/health/live"): _health,
    ("GET", "/v2/health/ready"): _health,
    ("GET", "/v2/models/{name}"): _model,
    ("GET", "/v2/models/{name}/ready"): _model_ready,
    ("POST", "/v2/models/{name}/infer"): _infer,
    ("POST", "/v2/repository/index"): _index,
    ("POST", "/v2/repository/models/{name}/load"): _control,
    ("POST", "/v2/repository/models/{name}/unload"): _control,
}
