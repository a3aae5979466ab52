"""TensorFlow Serving's REST API, described for one model.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from liteship.runtime.openapi.examples import golden_lists, golden_picture
from liteship.runtime.openapi.parts import (
    JSON_TYPE,
    array_of,
    input_element,
    nested,
    object_of,
    output_element,
    responses,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.openapi.parts import Json
    from liteship.runtime.predictor import Predictor

_TAG = "TensorFlow Serving"


def _predict(predictor: Predictor) -> Json:
    manifest = predictor.manifest
    body = {
        "type": "object",
        "properties": {
            "signature_name": {"type": "string", "description": "`serving_default`, or left out."},
            "instances": {"description": "Items, one after another.", **_instances(manifest)},
            "inputs": {"description": "Each input with all items: nested lists, or an object by name."},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }
    rows = object_of({"predictions": array_of(_by_name(manifest, batch=False), 1)})
    columns = object_of({"outputs": _by_name(manifest, batch=True)})
    return {
        "tags": [_TAG],
        "requestBody": {
            "required": True,
            "content": {JSON_TYPE: {"schema": body, "examples": _examples(predictor)}},
        },
        "responses": responses({"anyOf": [rows, columns]}, 400, 404, 413, 415, 503),
    }


def _instances(manifest: Manifest) -> Json:
    tensors = {spec.name: nested(spec.item_shape[1:], input_element(spec)) for spec in manifest.inputs}
    if manifest.preprocessing.kind == "image":
        b64 = {"type": "string", "format": "byte", "contentEncoding": "base64", "minLength": 1}
        tensors = {
            name: {"anyOf": [tensor, object_of({"b64": b64})]} for name, tensor in tensors.items()
        }
    named = object_of(tensors) | {"additionalProperties": False}
    forms = [*tensors.values(), named] if len(tensors) == 1 else [named]
    return array_of({"anyOf": forms}, 1, None if manifest.is_batched else 1)


def _by_name(manifest: Manifest, *, batch: bool) -> Json:
    """All outputs: the only one itself, or an object by name."""
    outputs = {spec.name: _output(spec, batch) for spec in manifest.outputs}
    return next(iter(outputs.values())) if len(outputs) == 1 else object_of(outputs)


def _output(spec: TensorSpec, batch: bool) -> Json:
    item = nested(spec.item_shape[1:], output_element(spec))
    return array_of(item, 1) if batch else item


def _examples(predictor: Predictor) -> Json:
    artifact = predictor.artifact
    examples: Json = {}
    lists = golden_lists(artifact)
    if lists is not None:
        only = len(lists) == 1
        examples["tensor"] = {"value": {"instances": [next(iter(lists.values())) if only else lists]}}
        examples["columns"] = {"value": {"inputs": {name: [each] for name, each in lists.items()}}}
    picture = golden_picture(artifact)
    if picture is not None:
        examples["picture"] = {"value": {"instances": [{"b64": picture}]}}
    return examples


def _status(predictor: Predictor) -> Json:
    version = object_of(
        {
            "version": {"type": "string", "example": predictor.manifest.version},
            "state": {"enum": ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
            "status": object_of(
                {"error_code": {"type": "string"}, "error_message": {"type": "string"}}
            ),
        }
    )
    schema = object_of({"model_version_status": array_of(version, 1)})
    return {"tags": [_TAG], "responses": responses(schema, 400, 404, 503)}


def _metadata(predictor: Predictor) -> Json:
    manifest = predictor.manifest
    schema = object_of(
        {
            "model_spec": object_of(
                {
                    "name": {"type": "string", "example": manifest.name},
                    "version": {"type": "string", "example": manifest.version},
                }
            ),
            "metadata": {"type": "object", "required": ["signature_def"]},
        }
    )
    return {"tags": [_TAG], "responses": responses(schema, 400, 404, 503)}


OPERATIONS = {
    ("GET", "/v1/models/{name}"): _status,
    ("GET", "/v1/models/{name}/metadata"): _metadata,
    ("POST", "/v1/models/{name}:predict"): _predict,
}
