from __future__ import annotations

import pytest

from liteship.errors import InputError
from liteship.runtime.protocols.oip_binary import pack_strings, split_body, unpack_strings


def test_without_the_header_all_is_json() -> None:
    assert split_body(b"{}", None) == (b"{}", memoryview(b""))


@pytest.mark.parametrize("header", ["2", " 2 ", "002"])
def test_the_header_divides_the_body(header: str) -> None:
    assert split_body(b"{}abc", header) == (b"{}", memoryview(b"abc"))


@pytest.mark.parametrize(
    "header", ["", "6", "-1", "+2", "2.0", "0x2", "1_0", "²", "٢", "9" * 5000, "2, 2", "true"]
)
def test_a_header_that_divides_no_body(header: str) -> None:
    with pytest.raises(InputError) as caught:
        split_body(b"{}abc", header)
    assert caught.value.reference == "header-length"


@pytest.mark.parametrize("strings", [[], [b""], [b"a", b"", b"\x00" * 300]])
def test_strings_there_and_back(strings: list[bytes]) -> None:
    assert unpack_strings(memoryview(pack_strings(strings)), len(strings), "x") == strings


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 1),
        (b"\x01\x00\x00", 1),
        (b"\x01\x00\x00\x00", 1),
        (b"\xff\xff\xff\xffa", 1),
        (b"\x01\x00\x00\x00a", 2),
        (b"\x01\x00\x00\x00ab", 1),
        (b"\x01\x00\x00\x00a", 0),
        (b"\x01\x00\x00\x00a\x00\x00\x00", 2),
        (b"\x00\x00\x00\x00", 10**18),
    ],
)
def test_other_numbers_of_strings_than_promised(data: bytes, count: int) -> None:
    with pytest.raises(InputError) as caught:
        unpack_strings(memoryview(data), count, "x")
    assert caught.value.reference == "tensor-size"
