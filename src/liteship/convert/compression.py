"""What a model weighs once it is compressed, as it is when shipped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

ZSTD_LEVEL, ZSTD_LEVEL_LARGE = 19, 9
LARGE_BYTES = 32 * 1024 * 1024
"""Above, Zstandard's lower level is used: level 19 takes 0.6 s a megabyte of float weights."""

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class CompressedSizes:
    """Sizes of one content.

    Attributes:
        raw_bytes: As it is.
        zip_bytes: Deflated as in a zip file (level 9), without the zip file's own entries; None if it
            was not measured.
        zstd_bytes: As one Zstandard frame; None if it was not measured.
        zstd_level: Level of that frame.
    """

    raw_bytes: int
    zip_bytes: int | None = None
    zstd_bytes: int | None = None
    zstd_level: int | None = None


def sizes(raw: bytes, *, zstd: bool = True) -> CompressedSizes:
    """Compresses a content and keeps only the sizes.

    Args:
        raw: For instance the content of a `.tflite`.
        zstd: Also by Zstandard, which takes much longer than deflate.
    """
    view = memoryview(raw)
    chunks = [view[start : start + _CHUNK_BYTES] for start in range(0, len(raw), _CHUNK_BYTES)]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zip_bytes = sum(len(deflate.compress(chunk)) for chunk in chunks) + len(deflate.flush())
    if not zstd:
        return CompressedSizes(raw_bytes=len(raw), zip_bytes=zip_bytes)

    import zstandard

    level = ZSTD_LEVEL if len(raw) <= LARGE_BYTES else ZSTD_LEVEL_LARGE
    frame = zstandard.ZstdCompressor(level=level).compressobj(size=len(raw))
    zstd_bytes = sum(len(frame.compress(chunk)) for chunk in chunks) + len(frame.flush())
    return CompressedSizes(
        raw_bytes=len(raw), zip_bytes=zip_bytes, zstd_bytes=zstd_bytes, zstd_level=level
    )
