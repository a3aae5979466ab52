from __future__ import annotations

import io
import zipfile

import numpy as np
import zstandard

from liteship.conversion import compression
from liteship.conversion.compression import sizes


def test_sizes_are_those_of_a_zip_entry_and_of_a_zstandard_frame() -> None:
    raw = np.random.default_rng(1).normal(0, 30, 1_500_001).astype(np.int8).tobytes()
    found = sizes(raw)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("model.tflite", raw)
        (entry,) = archive.infolist()
    assert found.raw_bytes == 1_500_001
    assert found.zip_bytes == entry.compress_size
    frame = zstandard.ZstdCompressor(level=19).compress(raw)
    assert found.zstd_bytes is not None
    assert abs(found.zstd_bytes - len(frame)) < 100  # streamed in, its blocks may end elsewhere
    assert (found.zip_level, found.zstd_level) == (9, 19)


def test_what_takes_long_can_be_left_out_or_is_done_less_thoroughly() -> None:
    raw = bytes(1000)
    without = sizes(raw, zstd=False)
    assert (without.zstd_bytes, without.zstd_level) == (None, None)
    assert (without.zip_bytes or 0) < 30
    large = sizes(bytes(compression.LARGE_BYTES + 1))
    levels = (compression.ZIP_LEVEL_LARGE, compression.ZSTD_LEVEL_LARGE)
    assert (large.zip_level, large.zstd_level) == levels


def test_nothing_has_a_size_too() -> None:
    found = sizes(b"")
    assert found.raw_bytes == 0
    assert found.zip_bytes == 2
    assert (found.zstd_bytes or 0) < 20
