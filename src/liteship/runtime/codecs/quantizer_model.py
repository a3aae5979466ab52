"""A `.tflite` file of one operator, QUANTIZE, made at run time: 380 bytes.

FlatBuffers (https://flatbuffers.dev/internals): a table is a list of fields, each by its number in
https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs.
"""

from __future__ import annotations

import struct
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Number: TypeAlias = tuple[str, int]
    """`struct` code and value."""
    Table: TypeAlias = "dict[int, Number | Object]"
    Object: TypeAlias = "str | array[int] | array[float] | list[Table] | Table"

INPUT, OUTPUT = "real", "quantized"
"""Names of the model's tensors."""

_FLOAT32 = 0
_TENSOR_TYPES = {"int8": 9, "uint8": 3}
_QUANTIZE = 114  # BuiltinOperator
_SCHEMA_VERSION = 3


def quantizer_model(elements: int, dtype: str, scale: float, zero_point: int) -> bytes:
    """The content of a `.tflite` file that quantizes a float32 tensor of shape (elements,).

    Args:
        elements: Of the tensor.
        dtype: `int8` or `uint8`.
        scale: Real size of one step, greater than 0.
        zero_point: The integer that stands for 0.0.
    """
    shape, first, second = array("i", [elements]), array("i", [0]), array("i", [1])
    quantization: Table = {2: array("f", [scale]), 3: array("q", [zero_point])}
    real: Table = {0: shape, 1: ("b", _FLOAT32), 2: ("I", 0), 3: INPUT}
    quantized: Table = {
        0: shape,
        1: ("b", _TENSOR_TYPES[dtype]),
        2: ("I", 0),
        3: OUTPUT,
        4: quantization,
    }
    graph: Table = {0: [real, quantized], 1: first, 2: second, 3: [{1: first, 2: second}]}
    # A number too great for the old field 0 stands in field 3; this one stands in both
    operator: Table = {0: ("b", _QUANTIZE), 2: ("i", 1), 3: ("i", _QUANTIZE)}
    file = bytearray(b"\0\0\0\0TFL3")
    root = _write_table(file, {0: ("I", _SCHEMA_VERSION), 1: [operator], 2: [graph], 4: [{}]})
    struct.pack_into("<I", file, 0, root)
    return bytes(file)


def _write(file: bytearray, value: Object) -> int:
    """Appends a value; returns its place."""
    if isinstance(value, dict):
        return _write_table(file, value)
    if isinstance(value, str):
        return _write_vector(file, len(value), value.encode() + b"\0")
    if isinstance(value, array):
        return _write_vector(file, len(value), value.tobytes())
    start = _write_vector(file, len(value), bytes(4 * len(value)))
    for place, each in enumerate(value):
        _point(file, start + 4 + 4 * place, _write(file, each))
    return start


def _write_vector(file: bytearray, length: int, content: bytes) -> int:
    file.extend(bytes((4 - len(file)) % 8))  # int64 elements begin at a multiple of 8
    start = len(file)
    file.extend(struct.pack("<I", length) + content)
    return start


def _write_table(file: bytearray, table: Table) -> int:
    sizes = {
        field: struct.calcsize(f"<{value[0]}") if isinstance(value, tuple) else 4
        for field, value in table.items()
    }
    offsets, size = {}, 4
    for field in sorted(table, key=lambda field: -sizes[field]):  # wide ones first: all are aligned
        offsets[field] = size
        size += sizes[field]
    fields = [offsets.get(field, 0) for field in range(max(table, default=-1) + 1)]
    layout = struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), size, *fields)
    file.extend(bytes((-len(file) - len(layout)) % 4))
    start = len(file) + len(layout)
    file.extend(layout + struct.pack("<i", len(layout)) + bytes(size - 4))
    for field, value in table.items():
        if isinstance(value, tuple):
            struct.pack_into(f"<{value[0]}", file, start + offsets[field], value[1])
        else:
            _point(file, start + offsets[field], _write(file, value))
    return start


def _point(file: bytearray, place: int, target: int) -> None:
    struct.pack_into("<I", file, place, target - place)
