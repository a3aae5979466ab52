"""PNG files with right checksums and any content: else a decoder stops at the first byte."""

from __future__ import annotations

import struct
import zlib

from hypothesis import strategies as st

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_SIZES = st.one_of(
    st.integers(0, 40), st.sampled_from((10_000, 65_535, 10**6, 2**31 - 1, 2**31, 2**32 - 1))
)
_KINDS = (
    b"PLTE",
    b"tRNS",
    b"gAMA",
    b"cHRM",
    b"iCCP",
    b"sRGB",
    b"pHYs",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"eXIf",
)
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    )


@st.composite
def png_files(draw: st.DrawFn) -> bytes:
    """Any header, any chunks, pixels that are too few, too many or none."""
    width, height = draw(_SIZES), draw(_SIZES)
    depth = draw(st.sampled_from((1, 2, 4, 8, 16, 8, 8, 3, 255)))
    color, interlace = draw(st.sampled_from((0, 2, 3, 4, 6, 1, 99))), draw(st.integers(0, 2))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    chunks = [chunk(b"IHDR", header)]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(_KINDS + _ANIMATION))
        content = draw(st.binary(max_size=40))
        if kind in {b"iCCP", b"zTXt", b"iTXt"} and draw(st.booleans()):
            head = b"k\0\0" if kind != b"iTXt" else b"k\0\1\0\0\0"
            content = head + zlib.compress(bytes(draw(st.sampled_from((10, 10**6, 5 * 10**6)))))
        chunks.append(chunk(kind, content))
    pixels = draw(st.one_of(st.binary(max_size=300), st.integers(0, 3000).map(bytes)))
    data = zlib.compress(pixels) if draw(st.integers(0, 5)) else pixels
    size = draw(st.integers(100, 2000))
    chunks += [chunk(b"IDAT", data[at : at + size]) for at in range(0, len(data) or 1, size)]
    if draw(st.booleans()):
        chunks.append(chunk(b"IEND", b""))
    return SIGNATURE + b"".join(chunks)
