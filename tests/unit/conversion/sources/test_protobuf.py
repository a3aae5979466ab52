from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.conversion.sources.protobuf import outer_fields

if TYPE_CHECKING:
    from pathlib import Path

# One field of each wire type: varint 300, eight bytes, text, four bytes
EVERY_TYPE = bytes.fromhex("08ac02 11 0000000000000000 1a03616263 2500000000")


def fields(content: bytes, folder: Path) -> set[int] | None:
    (folder / "m").write_bytes(content)
    return outer_fields(folder / "m")


def test_every_wire_type_is_stepped_over(tmp_path: Path) -> None:
    assert fields(EVERY_TYPE, tmp_path) == {1, 2, 3, 4}
    assert fields(b"", tmp_path) == set()


def test_a_cut_message_is_none_or_ends_at_a_field(tmp_path: Path) -> None:
    ends = {0: set(), 3: {1}, 12: {1, 2}, 17: {1, 2, 3}, 22: {1, 2, 3, 4}}
    for length in range(len(EVERY_TYPE) + 1):
        assert fields(EVERY_TYPE[:length], tmp_path) == ends.get(length), length


@pytest.mark.parametrize(
    "content",
    [
        b"<html></html>",
        b"\x80\x04K\x01.",
        b"\x00\x00",
        b"\xff" * 20,
        b"\x0b\x0c",
        b"\x0a" + b"\xff" * 9 + b"\x01",
    ],
)
def test_what_is_no_message_is_none(content: bytes, tmp_path: Path) -> None:
    assert fields(content, tmp_path) is None
