"""JSON requests: tensors as real numbers, or a picture in base64.

    {"inputs": {"image": [[[[0.0], …]]]}}    each input by name
    {"inputs": [[[0.0], …]]}                 the only input of a model that has one
    {"image": {"b64": "iVBORw0KGgo…"}}       a picture, for a model that takes pictures

Numbers are what the model sees after normalisation; liteship quantizes them. The batch dimension may
be left out.
"""

from __future__ import annotations

import base64
import json
import math
from array import array

from liteship.errors import InputError
from liteship.quantization import TYPECODES, quantize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec

FLOAT32_MAX = 3.4028234663852886e38
_HINT = 'send {"inputs": …} with a nested list of the shape that the model takes'


def decode_json(body: bytes, manifest: Manifest, max_pixels: int) -> dict[str, bytes]:
    """Turns a JSON body into input tensors.

    Raises:
        InputError: `json-invalid`, `json-form`, `json-not-finite`, `tensor-names`, `tensor-shape`,
            `tensor-value`, `base64-invalid`, or what `decode_image` raises.
    """
    content = parse_json(body)
    if not isinstance(content, dict) or len(content.keys() & {"inputs", "image"}) != 1:
        raise InputError(
            "json-form",
            "the JSON body is not a request",
            expected='an object with either "inputs" or "image"',
            received=f"{type(content).__name__} {json.dumps(content):.60}",
            hint=_HINT,
        )
    if "image" in content:
        return _decode_picture(content["image"], manifest, max_pixels)
    inputs = content["inputs"]
    if not isinstance(inputs, dict):
        inputs = {manifest.inputs[0].name: inputs}
    names = {spec.name for spec in manifest.inputs}
    if inputs.keys() != names:
        raise InputError(
            "tensor-names",
            f"the request does not name the inputs of model {manifest.name}",
            expected=", ".join(sorted(names)),
            received=f"{', '.join(sorted(inputs)):.200}" or "none",
            hint=_HINT,
        )
    return {spec.name: encode_tensor(inputs[spec.name], spec) for spec in manifest.inputs}


def parse_json(body: bytes) -> object:
    """Parses JSON; NaN and infinities, which JSON does not have, are refused.

    Raises:
        InputError: `json-invalid` or `json-not-finite`.
    """
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(
            "json-invalid",
            f"the body is not JSON: {error}",
            hint="check the body with a JSON validator; it must be UTF-8",
        ) from error


def encode_tensor(value: object, spec: TensorSpec) -> bytes:
    """Turns nested lists of real numbers into a tensor's bytes, quantized where the tensor is.

    Args:
        value: Nested lists of the tensor's shape, the batch dimension of 1 optional.
        spec: The tensor.

    Raises:
        InputError: `tensor-shape`, `tensor-value` or `json-not-finite`.
    """
    shape, numbers = _flatten(value, spec)
    if shape not in (spec.item_shape, spec.item_shape[1:]):
        raise InputError(
            "tensor-shape",
            f"input {spec.name} has another shape than the model takes",
            expected=f"shape {list(spec.item_shape)}",
            received=f"shape {list(shape)}",
            hint=_HINT,
        )
    for number in numbers:
        if not isinstance(number, (int, float)) or (isinstance(number, bool) and spec.dtype != "bool"):
            raise InputError(
                "tensor-value",
                f"input {spec.name} holds something that is not a number",
                expected="numbers in lists of equal length",
                received=f"{type(number).__name__} {number!r:.60}",
                hint=_HINT,
            )
    try:
        greatest = FLOAT32_MAX if spec.dtype == "float32" else math.inf
        if not all(math.isfinite(number) and abs(number) <= greatest for number in numbers):
            _refuse_constant("a number beyond the range of its dtype")
        if spec.is_quantized:
            return quantize(numbers, spec.dtype, spec.scale, spec.zero_point).tobytes()
        if spec.dtype == "bool" and not all(number in {0, 1} for number in numbers):
            raise OverflowError("neither true nor false")  # noqa: TRY301  # answered below
        encoded = array(TYPECODES[spec.dtype], numbers)
    except (OverflowError, TypeError) as error:
        raise InputError(
            "tensor-value",
            f"input {spec.name} holds a number that {spec.dtype} cannot: {error}",
            expected=spec.dtype,
            hint="send numbers of the tensor's dtype",
        ) from error
    return encoded.tobytes()


def _flatten(value: object, spec: TensorSpec) -> tuple[tuple[int, ...], Sequence[float]]:
    """Shape and elements of nested lists, level by level, so that depth cannot exhaust the stack."""
    shape: list[int] = []
    level: list[object] = [value]
    while level and isinstance(level[0], list):
        width = len(level[0])
        if any(not isinstance(item, list) or len(item) != width for item in level):
            raise InputError(
                "tensor-shape",
                f"input {spec.name} has lists of different length at depth {len(shape) + 1}",
                expected=f"shape {list(spec.item_shape)}",
                hint=_HINT,
            )
        shape.append(width)
        level = [element for item in level if isinstance(item, list) for element in item]
    return tuple(shape), level  # type: ignore[return-value]  # the elements are checked by the caller


def _decode_picture(value: object, manifest: Manifest, max_pixels: int) -> dict[str, bytes]:
    if manifest.preprocessing.kind != "image":
        raise InputError("json-form", f"model {manifest.name} takes tensors, not pictures", hint=_HINT)
    text = value.get("b64") if isinstance(value, dict) else None
    try:
        body = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        body = b""
    if not body:
        raise InputError(
            "base64-invalid",
            '"image" holds no picture in base64',
            expected='{"image": {"b64": "…"}}',
            received=f"{json.dumps(value):.60}",
            hint="encode the picture file with base64, or send it as the body itself",
        )
    from liteship.runtime.codecs.image import decode_image

    return decode_image(body, manifest, max_pixels)


def _refuse_constant(text: str) -> None:
    raise InputError(
        "json-not-finite",
        f"the JSON body holds {text}",
        expected="finite numbers",
        hint="replace missing values before sending",
    )
