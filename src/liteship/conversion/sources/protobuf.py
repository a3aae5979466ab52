"""Walks the outermost fields of a protobuf file; standard library only.

Enough to tell a whole ONNX or SavedModel file from a cut one or from something else, without the
package that reads it. The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes


def outer_fields(path: Path) -> set[int] | None:
    """Numbers of the fields of the file's message; None if it does not consist of whole fields."""
    size = path.stat().st_size
    found = set()
    with path.open("rb") as file:
        while file.tell() < size:
            tag = _varint(file)
            if tag is None or tag >> 3 == 0 or not _skip(file, tag & 7):
                return None
            found.add(tag >> 3)
        return found if file.tell() == size else None


def _skip(file: BinaryIO, wire_type: int) -> bool:
    if wire_type == _VARINT:
        return _varint(file) is not None
    length = {_FIXED64: 8, _FIXED32: 4, _BYTES: _varint(file) if wire_type == _BYTES else 0}.get(
        wire_type
    )
    if length is None or length >= 1 << 62:  # beyond what a file can seek to
        return False
    file.seek(length, 1)
    return True


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * position
        if byte[0] < 0x80:
            return value
    return None
