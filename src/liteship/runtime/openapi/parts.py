"""Parts of an OpenAPI document that every protocol uses: errors, parameters, tensors."""

from __future__ import annotations

from liteship.quantization import GREATEST_REAL, INTEGER_RANGE, ITEM_BYTES
from liteship.runtime.codecs import JSON_TYPE
from liteship.runtime.codecs.json_form import item_shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec

    Json = dict[str, Any]

MOST_ELEMENTS = 2_000
"""Of all inputs, in an example made of numbers: more is no longer read."""

MOST_PIXELS = 32
"""Width and height of a picture in an example; the model resizes it."""

ERRORS = {
    400: "What was sent is not what this model takes.",
    404: "This function does not serve the model, version or label that is asked for.",
    413: "The body, the picture or the number of items is too large.",
    415: "The content type, or the picture's format or depth, is not one that this model reads.",
    500: "A failure of the function's; the detail is in its log, under the request id.",
    503: "The model is not ready, or as many requests wait as may.",
}
"""Statuses of answers that are errors (`liteship.runtime.http.STATUS`)."""

REQUEST_ID = {
    "x-request-id": {
        "description": "Names the request in the function's log.",
        "required": True,
        "schema": {"type": "string"},
    }
}

COMPONENTS: Json = {
    "schemas": {
        "Error": {
            "type": "object",
            "description": "What was wrong, and what to do.",
            "properties": {
                "error": {"type": "string", "description": "What could not be done."},
                "reference": {"type": "string", "description": "Stable name, such as `tensor-shape`."},
                "problems": {"type": "array", "items": {"type": "string"}},
                "expected": {"type": "string"},
                "received": {"type": "string"},
                "hint": {"type": "string", "description": "One concrete next step."},
                "request_id": {"type": "string"},
            },
            "required": ["error", "reference", "hint", "request_id"],
        }
    },
    "responses": {
        f"Error{status}": {
            "description": description,
            "headers": REQUEST_ID,
            "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, description in ERRORS.items()
    },
}


def responses(
    schema: Json, *errors: int, headers: Json | None = None, content: Json | None = None
) -> Json:
    """The answers of one operation.

    Args:
        schema: Of the JSON body of the answer 200.
        errors: Other statuses, of `ERRORS`; a 500 is always among them.
        headers: Of the answer 200, beside `x-request-id`.
        content: Media types of the answer 200 beside JSON.
    """
    answered = {
        "description": "Answered.",
        "headers": REQUEST_ID | (headers or {}),
        "content": {JSON_TYPE: {"schema": schema}} | (content or {}),
    }
    named = {
        str(status): {"$ref": f"#/components/responses/Error{status}"}
        for status in sorted({*errors, 500})
    }
    return {"200": answered, **named}


def path_parameters(template: str, examples: Mapping[str, str]) -> list[Json]:
    """The named parts of a path, each with an example where there is one of its name."""
    names = [part.partition("}")[0] for part in template.split("{")[1:]]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            **({"example": examples[name]} if name in examples else {}),
        }
        for name in names
    ]


def object_of(properties: Json, optional: Sequence[str] = ()) -> Json:
    """An object that has these properties, and may have others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def array_of(items: Json, least: int, most: int | None = None) -> Json:
    """A list of at least `least` and at most `most` items (None: any number)."""
    bounds = {"minItems": least} | ({} if most is None else {"maxItems": most})
    return {"type": "array", "items": items, **bounds}


def nested(shape: Sequence[int], element: Json) -> Json:
    """Nested lists of this shape, row-major."""
    schema = element
    for size in reversed(shape):
        schema = array_of(schema, size, size)
    return schema


def one_of_lists(spec: TensorSpec) -> Json:
    """An input tensor of one item, as nested lists; a first dimension of 1 may be left out."""
    element = input_element(spec)
    return {"anyOf": [nested(shape, element) for shape in item_shapes(spec)]}


def batch_of_lists(spec: TensorSpec, manifest: Manifest) -> Json:
    """An input tensor of one item, or of several where the model's shapes leave room for them."""
    if not manifest.is_batched:
        return one_of_lists(spec)
    item = nested(spec.item_shape[1:], input_element(spec))
    return {"anyOf": [array_of(item, 1), item]}


def encoded_picture() -> Json:
    """A picture file in base64."""
    b64 = {"type": "string", "format": "byte", "contentEncoding": "base64", "minLength": 1}
    return object_of({"b64": b64})


def input_element(spec: TensorSpec) -> Json:
    """One element of an input tensor, as JSON has it: quantized ones are real numbers."""
    if spec.dtype == "bool":
        return {"enum": [False, True, 0, 1]}
    if spec.takes_float32:
        return {"type": "number", "minimum": -GREATEST_REAL, "maximum": GREATEST_REAL}
    if spec.dtype == "float64":
        return {"type": "number"}
    bits = 8 * ITEM_BYTES[spec.dtype]
    least, greatest = (
        (0, 2**bits - 1) if spec.dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return {"type": "integer", "minimum": least, "maximum": greatest}


def output_element(spec: TensorSpec) -> Json:
    """One element of an output tensor: a real number, in a range that its quantization gives."""
    if not spec.is_quantized:
        return {"type": "number"}
    least, greatest = INTEGER_RANGE[spec.dtype]
    return {
        "type": "number",
        "minimum": (least - spec.zero_point) * spec.scale,
        "maximum": (greatest - spec.zero_point) * spec.scale,
    }
