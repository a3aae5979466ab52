"""Checks that a `.tflite` file is whole, for a runtime that does not check it itself.

`tflite-runtime`'s Python interpreter reads a model without verifying it and dies of SIGSEGV on one
cut short; LiteRT verifies. This walks the file's FlatBuffers tables
(https://flatbuffers.dev/internals) and makes sure that every offset and vector lies inside it. It is
no proof against a model built to do harm: that is what the artifact's digest is for.
"""

from __future__ import annotations

import struct

IDENTIFIER = b"TFL3"

# https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs: number of
# each field that holds an offset; to a table (by name), vector (bytes an element) or table vector.
_STRING = 1
_TABLES: dict[str, dict[int, str | int | tuple[str]]] = {
    "Model": {
        1: ("OperatorCode",),
        2: ("SubGraph",),
        3: _STRING,
        4: ("Buffer",),
        5: 4,
        6: ("Metadata",),
        7: ("SignatureDef",),
    },
    "OperatorCode": {1: _STRING},
    "SubGraph": {0: ("Tensor",), 1: 4, 2: 4, 3: ("Operator",), 4: _STRING},
    "Tensor": {0: 4, 3: _STRING, 4: "Quantization", 6: "Options", 7: 4, 9: ("Options",)},
    "Quantization": {0: 4, 1: 4, 2: 4, 3: 8, 5: "Options"},
    "Operator": {1: 4, 2: 4, 4: "Options", 5: 1, 7: 1, 8: 4, 12: "Options"},
    "Options": {},  # a union of over a hundred tables, of scalars nearly all
    "Buffer": {0: 1},
    "Metadata": {0: _STRING},
    "SignatureDef": {0: ("TensorMap",), 1: ("TensorMap",), 2: _STRING},
    "TensorMap": {0: _STRING},
}


def damage(model: bytes) -> str | None:
    """What is wrong with the structure of a `.tflite` file; None if nothing is.

    Args:
        model: The content of the file.
    """
    if model[4:8] != IDENTIFIER:
        return f"it does not carry the identifier {IDENTIFIER.decode()}"
    try:
        _check_table(model, _target(model, 0), "Model")
    except (struct.error, IndexError):
        return f"it refers to bytes beyond its end at {len(model):,} bytes"
    return None


def _check_table(model: bytes, table: int, name: str) -> None:
    """Raises struct.error or IndexError where something lies outside the file."""
    layout = table - struct.unpack_from("<i", model, table)[0]
    if layout < 0:  # struct would count it from the end
        raise IndexError
    layout_bytes, table_bytes = struct.unpack_from("<HH", model, layout)
    _require(model, layout + layout_bytes)
    _require(model, table + table_bytes)
    for field, kind in _TABLES[name].items():
        if 6 + 2 * field > layout_bytes:
            break  # written by a schema without this field and those after it
        (offset,) = struct.unpack_from("<H", model, layout + 4 + 2 * field)
        if offset == 0:
            continue
        target = _target(model, table + offset)
        if isinstance(kind, str):
            _check_table(model, target, kind)
            continue
        (count,) = struct.unpack_from("<I", model, target)
        width = kind if isinstance(kind, int) else 4
        _require(model, target + 4 + count * width)
        if isinstance(kind, tuple):
            for element in range(target + 4, target + 4 + count * width, width):
                _check_table(model, _target(model, element), kind[0])


def _target(model: bytes, position: int) -> int:
    return position + int(struct.unpack_from("<I", model, position)[0])


def _require(model: bytes, end: int) -> None:
    if end > len(model):
        raise IndexError
