"""What a model weighs once it is compressed, as it is when shipped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

ZIP_LEVEL, ZIP_LEVEL_LARGE = 9, 6
ZSTD_LEVEL, ZSTD_LEVEL_LARGE = 19, 9
LARGE_BYTES = 16 * 1024 * 1024
"""Above, the lower levels are used: the higher ones take up to 2 s a megabyte of pruned weights."""

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class CompressedSizes:
    """Sizes of one content.

    Attributes:
        raw_bytes: As it is.
        zip_bytes: Deflated as in a zip file, without the zip file's own entries; None if it was not
            measured.
        zstd_bytes: As one Zstandard frame; None if it was not measured.
        zip_level: Level of the one.
        zstd_level: Level of the other.
    """

    raw_bytes: int
    zip_bytes: int | None = None
    zstd_bytes: int | None = None
    zip_level: int | None = None
    zstd_level: int | None = None


def sizes(raw: bytes, *, zstd: bool = True) -> CompressedSizes:
    """Compresses a content and keeps only the sizes.

    Args:
        raw: For instance the content of a `.tflite`.
        zstd: Also by Zstandard, which takes longer than deflate for float weights.
    """
    view = memoryview(raw)
    chunks = [view[start : start + _CHUNK_BYTES] for start in range(0, len(raw), _CHUNK_BYTES)]
    large = len(raw) > LARGE_BYTES
    zip_level = ZIP_LEVEL_LARGE if large else ZIP_LEVEL
    deflate = zlib.compressobj(zip_level, zlib.DEFLATED, -zlib.MAX_WBITS)
    zip_bytes = sum(len(deflate.compress(chunk)) for chunk in chunks) + len(deflate.flush())
    if not zstd:
        return CompressedSizes(raw_bytes=len(raw), zip_bytes=zip_bytes, zip_level=zip_level)

    import zstandard

    zstd_level = ZSTD_LEVEL_LARGE if large else ZSTD_LEVEL
    frame = zstandard.ZstdCompressor(level=zstd_level).compressobj(size=len(raw))
    zstd_bytes = sum(len(frame.compress(chunk)) for chunk in chunks) + len(frame.flush())
    return CompressedSizes(
        raw_bytes=len(raw),
        zip_bytes=zip_bytes,
        zstd_bytes=zstd_bytes,
        zip_level=zip_level,
        zstd_level=zstd_level,
    )
