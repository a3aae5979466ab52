"""The binary tensor extension: JSON first, then each tensor's bytes, in the order of the JSON.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extension_binary_data.md
Elements are little-endian, as the processors that run us are; of BYTES, each is led by its length.
"""

from __future__ import annotations

from liteship.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = "inference-header-content-length"
"""How many bytes of a body are JSON, where tensors follow."""

_PREFIX_BYTES = 4


def split_body(body: bytes, header: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and what follows it.

    Args:
        body: What the caller sent.
        header: The value of `HEADER`; None where there is none, and all is JSON.

    Raises:
        InputError: `header-length`.
    """
    if header is None:
        return body, memoryview(b"")
    size = header.strip()
    # At most as many digits as a body can have: Python refuses to read thousands
    if not (size.isascii() and size.isdigit() and len(size) < 20) or int(size) > len(body):
        raise InputError(
            "header-length",
            "the header Inference-Header-Content-Length does not say how many bytes are JSON",
            expected=f"a number of bytes, at most the body's {len(body)}",
            received=f"{header:.40}",
            hint="set it to the length of the JSON alone, or drop it if no tensor follows the JSON",
        )
    return body[: int(size)], memoryview(body)[int(size) :]


def pack_strings(strings: Iterable[bytes]) -> bytes:
    """The bytes of a tensor of datatype BYTES: each element led by its length."""
    return b"".join(len(each).to_bytes(_PREFIX_BYTES, "little") + each for each in strings)


def unpack_strings(data: memoryview, count: int, name: str) -> list[bytes]:
    """The elements of a tensor of datatype BYTES.

    Args:
        data: As `pack_strings` gives it.
        count: How many elements the tensor's shape has.
        name: The tensor's, for messages.

    Raises:
        InputError: `tensor-size` unless it holds so many elements, and nothing else.
    """
    strings: list[bytes] = []
    position = 0
    for _ in range(count):
        start = position + _PREFIX_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if position > len(data) or start > len(data):
            break
        strings.append(bytes(data[start:position]))
    if len(strings) != count or position != len(data):
        raise InputError(
            "tensor-size",
            f"input {name} does not hold the elements that its shape has",
            expected=f"{count}, each led by its length in {_PREFIX_BYTES} bytes, little-endian",
            received=f"{len(data)} bytes, of which {len(strings)} elements can be read",
            hint="lead each element with its length as a uint32",
        )
    return strings
