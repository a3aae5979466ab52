"""JSON, and tensors in it: nested lists of the real numbers that a model sees, quantized here."""

from __future__ import annotations

import json
import math
from array import array

from liteship.errors import InputError, PayloadTooLargeError
from liteship.quantization import GREATEST_REAL, TYPECODES, are_finite, quantize
from liteship.runtime.codecs import PackedNumbers, each_item, require_batch_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec

LONG_BYTES = 2048
"""Of a body that may hold a list of numbers that is worth parsing in another way."""

FEW_NUMBERS = 256
"""Python quantizes fewer than these as fast as LiteRT does, and needs no interpreter."""

_HINT = "send numbers in nested lists of the shape that the model takes"

_SPARE_VALUES = 1000
"""Beyond the tensors' own: of names, parameters, and a batch that is a little too large."""


def parse_tensors(body: bytes, keys: Collection[str], manifest: Manifest, max_batch: int) -> object:
    """Parses a request in JSON, as `parse_json`.

    Args:
        body: UTF-8.
        keys: Those whose lists are tensors, wherever they are: long ones may become `PackedNumbers`.
        manifest: The model it is for.
        max_batch: Most items.

    Raises:
        InputError: As `parse_json`.
        PayloadTooLargeError: `json-too-long`.
    """
    _require_length(body, most_values(manifest, max_batch))
    if len(body) >= LONG_BYTES:
        from liteship.runtime.codecs.json_numbers import parse_long

        content = parse_long(body, keys, manifest)
        if content is not None:
            return content
    return parse_json(body)


def most_values(manifest: Manifest, max_batch: int) -> int:
    """Lists, objects and commas in the JSON of the largest batch of a model, and some to spare."""
    of_item = 2 + 4 * len(manifest.inputs)
    for spec in manifest.inputs:
        lists = sum(math.prod(spec.item_shape[:rank]) for rank in range(len(spec.item_shape)))
        of_item += spec.elements + 2 * lists
    return of_item * max_batch + _SPARE_VALUES


def _require_length(body: bytes, most: int) -> None:
    """Refuses more lists, objects and commas: parsed, `[[1],[1],…` takes 25 times its size."""
    if len(body) > most and (found := sum(map(body.count, (b",", b"[", b"{")))) > most:
        raise PayloadTooLargeError(
            "json-too-long",
            "the JSON body holds more values than the largest batch of this model can have",
            expected=f"at most {most:,} lists, objects and commas",
            received=f"{found:,}",
            hint=_HINT,
        )


def parse_json(body: bytes) -> object:
    """Parses JSON in UTF-8; NaN, infinities, and keys that come twice, are refused.

    Raises:
        InputError: `json-invalid`, `json-not-finite` or `json-duplicate`.
    """
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode()
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,  # half as much time again, but a number may be echoed, or told to logs
            object_pairs_hook=require_unique,
        )
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(
            "json-invalid",
            f"the body is not JSON: {error}",
            hint="check the body with a JSON validator; it must be UTF-8",
        ) from error


def require_unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, which must not have a key twice.

    Parsers differ in which of two they keep: a proxy may have checked the other one.

    Raises:
        InputError: `json-duplicate`.
    """
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(
                "json-duplicate",
                "an object in the JSON body has a key twice",
                expected="each key once",
                received=f"{key:.60}",
                hint="send each key once",
            )
        found[key] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_constant(f"the number {text:.40}")
    return number


def encode_tensor(value: object, spec: TensorSpec) -> bytes:
    """Turns nested lists of real numbers into a tensor's bytes, quantized where the tensor is.

    Args:
        value: Nested lists of one of `item_shapes`.
        spec: The tensor.

    Raises:
        InputError: `tensor-shape`, `tensor-value` or `json-not-finite`.
    """
    return _encode(value, spec, *item_shapes(spec))


def item_shapes(spec: TensorSpec) -> list[tuple[int, ...]]:
    """The shapes that one item may be sent in: the tensor's, and without a first dimension of 1."""
    shape = spec.item_shape
    return [shape, shape[1:]] if shape[:1] == (1,) else [shape]


def encode_items(value: object, spec: TensorSpec) -> list[bytes]:
    """The same for a batch: the bytes of each item's tensor.

    Args:
        value: Nested lists of shape (items, …) or, of one item, without the batch dimension.
        spec: A tensor whose first dimension is the batch: open, or 1.

    Raises:
        InputError: `batch-empty`, or as `encode_tensor`; of several items it says which.
    """
    if _depth(value) == len(spec.shape) > 0:
        rows: Any = value.rows() if isinstance(value, PackedNumbers) else value
        return list(each_item(rows, lambda item: _encode(item, spec, spec.item_shape[1:])))
    if value == []:
        require_batch_size(0, 1)
    return [encode_tensor(value, spec)]


def _depth(value: object) -> int:
    if isinstance(value, PackedNumbers):
        return len(value.shape)
    depth = 0
    while isinstance(value, list) and value:
        value = value[0]
        depth += 1
    return depth


def _encode(value: object, spec: TensorSpec, *shapes: tuple[int, ...]) -> bytes:
    """Encodes a value of one of these shapes."""
    shape, numbers = flatten(value, spec.name, spec.item_shape)
    if shape not in shapes:
        raise InputError(
            "tensor-shape",
            f"input {spec.name} has another shape than the model takes",
            expected=f"shape {list(shapes[0])}",
            received=f"shape {list(shape)}",
            hint=_HINT,
        )
    require_numbers(numbers, spec)
    return encode_numbers(numbers, spec)


def require_numbers(values: Sequence[object], spec: TensorSpec) -> None:
    """Refuses elements that are no numbers; true and false are some for a tensor of dtype bool only.

    Raises:
        InputError: `tensor-value`.
    """
    if isinstance(values, array):
        return
    for value in values:
        if not isinstance(value, (int, float)) or (isinstance(value, bool) and spec.dtype != "bool"):
            raise InputError(
                "tensor-value",
                f"input {spec.name} holds something that is not a number",
                expected="numbers in lists of equal length",
                received=describe(value),
                hint=_HINT,
            )


def describe(value: object) -> str:
    """Part of a JSON body, for a message; not what is in a list or an object, which may be deep."""
    kinds = {list: "a list", PackedNumbers: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value)) or f"{type(value).__name__} {value!r:.60}"


def encode_numbers(numbers: Sequence[float], spec: TensorSpec) -> bytes:
    """Turns numbers into elements of a tensor, quantized where the tensor is.

    Args:
        numbers: Row-major; as many as there are.
        spec: The tensor.

    Raises:
        InputError: `tensor-value` or `json-not-finite`.
    """
    try:
        if spec.takes_float32:
            floats = as_floats(numbers)
            if not are_finite(floats):
                _refuse_constant("a number beyond the range of its dtype")
            return encode_floats(floats, spec)
        encoded = array(TYPECODES[spec.dtype], _own_numbers(numbers, spec))
    except (OverflowError, TypeError) as error:
        raise InputError(
            "tensor-value",
            f"input {spec.name} holds a number that {spec.dtype} cannot: {error}",
            expected=spec.dtype,
            hint="send numbers of the tensor's dtype",
        ) from error
    return encoded.tobytes()


def as_floats(numbers: Sequence[float]) -> array[float]:
    """Numbers as float32; an infinity where that has no place for one."""
    if isinstance(numbers, array) and numbers.typecode == "f":
        return numbers
    return array("f", numbers)


def encode_floats(floats: array[float], spec: TensorSpec) -> bytes:
    """The same for finite float32 numbers and a tensor that is quantized, or of float32."""
    if not spec.is_quantized:
        return floats.tobytes()
    if len(floats) < FEW_NUMBERS:
        return quantize(floats, spec.dtype, spec.scale, spec.zero_point).tobytes()
    from liteship.runtime.codecs.quantizer import quantize_floats

    return quantize_floats(floats, spec)


def _own_numbers(numbers: Sequence[float], spec: TensorSpec) -> Sequence[float]:
    """Numbers for a tensor of whole ones, of booleans or of float64, if they may be in one."""
    if not isinstance(numbers, array):
        greatest = math.inf if spec.dtype == "float64" else GREATEST_REAL
        if not all(map(math.isfinite, numbers)) or max(map(abs, numbers)) > greatest:
            _refuse_constant("a number beyond the range of its dtype")
    if spec.dtype == "bool" and not all(number in {0, 1} for number in numbers):
        raise OverflowError("neither true nor false")
    return numbers


def flatten(
    value: object, name: str, expected: Sequence[int]
) -> tuple[tuple[int, ...], Sequence[float]]:
    """Shape and elements of nested lists, level by level, so that depth cannot exhaust the stack.

    Args:
        value: Nested lists.
        name: The input they are for.
        expected: The shape that the message names if lists at one depth differ in length.

    Returns:
        The shape, and the elements row-major: whatever the innermost lists hold.

    Raises:
        InputError: `tensor-shape`.
    """
    if isinstance(value, PackedNumbers):
        return value.shape, value.numbers
    shape: list[int] = []
    level: list[object] = [value]
    while level and isinstance(level[0], list):
        width = len(level[0])
        if any(not isinstance(item, list) or len(item) != width for item in level):
            raise InputError(
                "tensor-shape",
                f"input {name} has lists of different length at depth {len(shape) + 1}",
                expected=f"shape {list(expected)}",
                hint=_HINT,
            )
        shape.append(width)
        level = [element for item in level if isinstance(item, list) for element in item]
    return tuple(shape), level  # type: ignore[return-value]  # the elements are checked by the caller


def _refuse_constant(text: str) -> None:
    raise InputError(
        "json-not-finite",
        f"the JSON body holds {text}",
        expected="finite numbers",
        hint="replace missing values before sending",
    )
