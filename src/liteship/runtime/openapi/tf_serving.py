"""TensorFlow Serving's REST API, described for one model.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from liteship.runtime.codecs import JSON_TYPE
from liteship.runtime.examples import example_lists, example_picture
from liteship.runtime.openapi.parts import (
    MOST_ELEMENTS,
    MOST_PIXELS,
    array_of,
    batch_of_lists,
    encoded_picture,
    input_element,
    nested,
    object_of,
    one_of_lists,
    output_element,
    responses,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.openapi.parts import Json
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

_TAG = "TensorFlow Serving"


def _predict(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    body = {
        "type": "object",
        "properties": {
            "signature_name": {"enum": ["serving_default", ""]},
            "instances": {"description": "Items, one after another.", **_instances(manifest)},
            "inputs": {"description": "Each input with all items.", **_columns(manifest)},
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
    if manifest.is_batched:
        return array_of(_named(manifest, [one_of_lists(spec) for spec in manifest.inputs]), 1)
    # The rows are the tensor's own
    rows = [nested(spec.item_shape[1:], input_element(spec)) for spec in manifest.inputs]
    return array_of(_named(manifest, rows), 1)


def _columns(manifest: Manifest) -> Json:
    return _named(manifest, [batch_of_lists(spec, manifest) for spec in manifest.inputs], several=True)


def _named(manifest: Manifest, tensors: list[Json], *, several: bool = False) -> Json:
    """The inputs by name; the only one needs none, and may be a picture."""
    if manifest.preprocessing.kind == "image":
        picture = encoded_picture() | {"additionalProperties": False}
        pictures = [picture, array_of(picture, 1)] if several else [picture]
        tensors = [{"anyOf": [tensor, *pictures]} for tensor in tensors]
    named = object_of(
        {spec.name: tensor for spec, tensor in zip(manifest.inputs, tensors, strict=True)}
    ) | {"additionalProperties": False}
    return {"anyOf": [*tensors, named]} if len(tensors) == 1 else named


def _by_name(manifest: Manifest, *, batch: bool) -> Json:
    """All outputs: the only one itself, or an object by name."""
    outputs = {spec.name: _output(spec, batch) for spec in manifest.outputs}
    return next(iter(outputs.values())) if len(outputs) == 1 else object_of(outputs)


def _output(spec: TensorSpec, batch: bool) -> Json:
    item = nested(spec.item_shape[1:], output_element(spec))
    return array_of(item, 1) if batch else item


def _examples(predictor: Predictor | Pipeline) -> Json:
    examples: Json = {}
    if not predictor.takes_tensors:
        return examples
    lists = example_lists(predictor, MOST_ELEMENTS)
    if lists is not None:
        if _has_rows(predictor.manifest):
            rows = zip(*lists.values(), strict=True)
            items = [row[0] if len(row) == 1 else dict(zip(lists, row, strict=True)) for row in rows]
            examples["tensor"] = {"value": {"instances": items}}
        examples["columns"] = {"value": {"inputs": lists}}
    picture = example_picture(predictor, MOST_PIXELS)
    if picture is not None:
        examples["picture"] = {"value": {"instances": [{"b64": picture}]}}
    return examples


def _has_rows(manifest: Manifest) -> bool:
    """Whether row form can say it: one first dimension of all inputs, and one of all outputs."""
    firsts = [{spec.item_shape[:1] for spec in specs} for specs in (manifest.inputs, manifest.outputs)]
    return all(len(each) == 1 and () not in each for each in firsts)


def _status(predictor: Predictor | Pipeline) -> Json:
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


def _metadata(predictor: Predictor | Pipeline) -> Json:
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


OPERATIONS: dict[tuple[str, str], Callable[[Predictor | Pipeline], Json] | None] = {
    ("GET", "/v1/models/{name}"): _status,
    ("GET", "/v1/models/{name}/metadata"): _metadata,
    ("POST", "/v1/models/{name}:predict"): _predict,
    # Refused, whatever is sent: nothing that a document should offer
    ("POST", "/v1/models/{name}:classify"): None,
    ("POST", "/v1/models/{name}:regress"): None,
}
