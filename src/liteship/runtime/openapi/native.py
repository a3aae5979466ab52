"""liteship's own protocol, described."""

from __future__ import annotations

from liteship.runtime.codecs import BINARY_TYPE, CSV_TYPE, FORM_TYPE, JSON_TYPE, takes_rows
from liteship.runtime.codecs.image import FORMATS
from liteship.runtime.examples import example_lists, example_numbers, example_picture
from liteship.runtime.openapi.parts import (
    MOST_ELEMENTS,
    MOST_PIXELS,
    array_of,
    batch_of_lists,
    encoded_picture,
    object_of,
    output_element,
    responses,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest
    from liteship.runtime.openapi.parts import Json
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

_TAG = "liteship"

WHICH = [
    {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}
    for name, description in (
        ("model", "Another model than the function's own."),
        ("version", "Another version than the one answered by default."),
        ("label", "The version with this label; instead of `version`."),
    )
]

_TOP = {
    "name": "top",
    "in": "query",
    "description": "How many labels to answer.",
    "schema": {"type": "integer", "minimum": 1},
}

_SERVER_TIMING = {
    "server-timing": {
        "description": "Milliseconds of `preprocess`, `invoke` and `postprocess`.",
        "schema": {"type": "string"},
        "example": "preprocess;dur=0.31, invoke;dur=0.52, postprocess;dur=0.04",
    }
}


def _predict(predictor: Predictor | Pipeline) -> Json:
    own_form = predictor.example is None
    return {
        "tags": [_TAG],
        "parameters": [_TOP, *WHICH],
        "requestBody": {
            "required": True,
            "content": {"*/*": {}} if own_form else _bodies(predictor),
        },
        "responses": responses(_answer(predictor), 400, 404, 413, 415, 503, headers=_SERVER_TIMING),
    }


def _bodies(predictor: Predictor | Pipeline) -> Json:
    """What `/predict` reads, by content type."""
    manifest = predictor.manifest
    size_bytes = sum(spec.size_bytes for spec in manifest.inputs)
    tensors = ", ".join(map(str, manifest.inputs))
    bodies: Json = {JSON_TYPE: _json(predictor)}
    if manifest.preprocessing.kind == "image":
        bodies |= {media_type: {"schema": _binary("The file.")} for media_type in FORMATS}
    if takes_rows(manifest):
        numbers = example_numbers(predictor, MOST_ELEMENTS) or {}
        row = ",".join(str(value) for values in numbers.values() for value in values)
        width = manifest.inputs[0].elements
        schema = {
            "type": "string",
            "description": f"A row of {width} numbers, with a header or without.",
        }
        bodies[CSV_TYPE] = {"schema": schema} | ({"example": f"{row}\n"} if row else {})
    may_be_several = manifest.is_batched and len(manifest.inputs) == 1
    bound = {} if may_be_several else {"maxLength": size_bytes}
    bodies[BINARY_TYPE] = {
        "schema": _binary(
            f"{size_bytes} bytes, little-endian: {tensors}."
            + " Several items one after another." * may_be_several
        )
        | {"minLength": size_bytes, **bound}
    }
    files = array_of(
        _binary("A file, of one of the other types."), 1, None if manifest.is_batched else 1
    )
    bodies[FORM_TYPE] = {"schema": object_of({"file": files})}
    return bodies


def _binary(description: str) -> Json:
    return {"type": "string", "format": "binary", "description": description}


def _json(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    tensors = {
        spec.name: {"description": f"Real numbers; {spec}.", **batch_of_lists(spec, manifest)}
        for spec in manifest.inputs
    }
    inputs = object_of(tensors) | {"additionalProperties": False}
    if len(tensors) == 1:
        inputs = {"anyOf": [*tensors.values(), inputs]}
    examples: Json = {}
    forms = {"inputs": inputs}
    if manifest.preprocessing.kind == "image":
        most = {} if manifest.is_batched else {"maxItems": 1}
        forms |= {"image": encoded_picture(), "images": array_of(encoded_picture(), 1) | most}
        examples["picture"] = {"value": {"image": {"b64": example_picture(predictor, MOST_PIXELS)}}}
    schema = {
        "type": "object",
        "properties": forms,
        "oneOf": [{"required": [form]} for form in forms],
    }
    lists = example_lists(predictor, MOST_ELEMENTS)
    if lists is not None:
        examples["tensor"] = {"value": {"inputs": lists}}
    return {"schema": schema} | ({"examples": examples} if examples else {})


def _answer(predictor: Predictor | Pipeline) -> Json:
    """What `/predict` answers: one item's fields, or those of several in `results`."""
    manifest = predictor.manifest
    identity = {
        "model": {"type": "string", "example": manifest.name},
        "version": {"type": "string", "example": manifest.version},
    }
    if "postprocess" in predictor.hooks:
        return object_of(identity)
    item = _labels(manifest) if manifest.postprocessing.labels else _outputs(manifest)
    one = object_of(item | identity)
    if not predictor.takes_tensors:  # steps in Python give as many as they find
        return object_of({"results": array_of(object_of(item), 0)} | identity)
    if not manifest.is_batched:
        return one
    return {"anyOf": [one, object_of({"results": array_of(object_of(item), 1)} | identity)]}


def _labels(manifest: Manifest) -> Json:
    postprocessing = manifest.postprocessing
    score = output_element(manifest.outputs[0])
    if postprocessing.activation != "none":
        score = {"type": "number", "minimum": 0, "maximum": 1}
    label = {"type": "string", "enum": sorted({*postprocessing.labels})}
    best = array_of(object_of({"label": label, "score": score}), 1, len(postprocessing.labels))
    return {"predictions": {"description": "Best first.", **best}}


def _outputs(manifest: Manifest) -> Json:
    tensors = [
        object_of(
            {
                "name": {"const": spec.name},
                "shape": {"const": list(spec.item_shape)},
                "data": array_of(output_element(spec), spec.elements, spec.elements),
            }
        )
        for spec in manifest.outputs
    ]
    count = len(tensors)
    return {"outputs": {"type": "array", "prefixItems": tensors, "minItems": count, "maxItems": count}}


def _model(_predictor: Predictor | Pipeline) -> Json:
    schema = object_of(
        {
            "schema": {"type": "integer"},
            "name": {"type": "string"},
            "version": {"type": "string"},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "size_bytes": {"type": "integer"},
            "scheme": {"type": "string"},
            "inputs": array_of({"type": "object"}, 1),
            "outputs": array_of({"type": "object"}, 1),
            "preprocessing": {"type": "object"},
            "postprocessing": {"type": "object"},
            "provenance": {"type": "object"},
        }
    )
    return {"tags": [_TAG], "parameters": WHICH, "responses": responses(schema, 400, 404, 503)}


def _example(_predictor: Predictor | Pipeline) -> Json:
    forms = {"inputs": {"type": "object"}, "image": object_of({"b64": {"type": "string"}})}
    schema = object_of(forms, optional=tuple(forms)) | {"minProperties": 1}
    return {"tags": [_TAG], "parameters": WHICH, "responses": responses(schema, 400, 404, 503)}


def _live(_predictor: Predictor | Pipeline) -> Json:
    return {"tags": [_TAG], "responses": responses(object_of({"live": {"const": True}}))}


def _ready(predictor: Predictor | Pipeline) -> Json:
    manifest = predictor.manifest
    schema = object_of(
        {
            "ready": {"const": True},
            "model": {"type": "string", "example": manifest.name},
            "version": {"type": "string", "example": manifest.version},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "hooks": array_of({"enum": ["preprocess", "postprocess"]}, 0, 2),
        }
    )
    return {"tags": [_TAG], "responses": responses(schema, 503)}


OPERATIONS = {
    ("POST", "/predict"): _predict,
    ("GET", "/model"): _model,
    ("GET", "/model/example"): _example,
    ("GET", "/health/live"): _live,
    ("GET", "/health/ready"): _ready,
}
