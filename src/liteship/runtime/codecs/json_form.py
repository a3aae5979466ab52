"""JSON, and tensors in it: nested lists of the real numbers that a model sees, quantized here."""

from __future__ import annotations

import json
import math
from array import array

from liteship.errors import InputError, PayloadTooLargeError
from liteship.quantization import TYPECODES, quantize
from liteship.runtime.codecs import each_item, require_batch_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec

FLOAT32_MAX = 3.4028234663852886e38
_HINT = "send numbers in nested lists of the shape that the model takes"

_SPARE_VALUES = 1000
"""Beyond the tensors' own: of names, parameters, and a batch that is a little too large."""


def most_values(manifest: Manifest, max_batch: int) -> int:
    """Lists, objects and commas in the JSON of the largest batch of a model, and some to spare."""
    of_item = 2 + 4 * len(manifest.inputs)
    for spec in manifest.inputs:
        lists = sum(math.prod(spec.item_shape[:rank]) for rank in range(len(spec.item_shape)))
        of_item += spec.elements + 2 * lists
    return of_item * max_batch + _SPARE_VALUES


def parse_json(body: bytes, most: int | None = None) -> object:
    """Parses JSON; NaN, infinities, and keys that come twice, are refused.

    Args:
        body: UTF-8.
        most: Lists, objects and commas that the body may hold: parsed, `[[1],[1],…` takes 25 times
            its size in memory, `[0.5,0.5,…` 9 times.

    Raises:
        InputError: `json-invalid`, `json-not-finite` or `json-duplicate`.
        PayloadTooLargeError: `json-too-long`.
    """
    if most is not None and (found := sum(map(body.count, (b",", b"[", b"{")))) > most:
        raise PayloadTooLargeError(
            "json-too-long",
            "the JSON body holds more values than the largest batch of this model can have",
            expected=f"at most {most:,} lists, objects and commas",
            received=f"{found:,}",
            hint=_HINT,
        )
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode()
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,  # half as much time again, but a number may be echoed, or told to logs
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(
            "json-invalid",
            f"the body is not JSON: {error}",
            hint="check the body with a JSON validator; it must be UTF-8",
        ) from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Parsers differ in which of two they keep: a proxy may have checked the other one."""
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
    if isinstance(value, list) and _depth(value) == len(spec.shape):
        return list(each_item(value, lambda item: _encode(item, spec, spec.item_shape[1:])))
    if value == []:
        require_batch_size(0, 1)
    return [encode_tensor(value, spec)]


def _depth(value: object) -> int:
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
    kinds = {list: "a list", dict: "an object", type(None): "null"}
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
        greatest = math.inf if spec.dtype == "float64" else FLOAT32_MAX
        if not all(map(math.isfinite, numbers)) or max(map(abs, numbers)) > greatest:
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
