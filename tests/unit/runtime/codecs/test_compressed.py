from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError
from liteship.runtime.codecs.compressed import decompress

BODY = b"0123456789" * 10


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP ", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
def test_what_was_sent_comes_back(encoding: str, body: bytes) -> None:
    assert decompress(body, encoding, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("encoding", "body", "family", "reference"),
    [
        ("br", BODY, UnsupportedMediaError, "content-encoding"),
        ("gzip, gzip", BODY, UnsupportedMediaError, "content-encoding"),
        ("gzip", BODY, InputError, "compression-broken"),
        ("gzip", b"", InputError, "compression-broken"),
        ("gzip", gzip.compress(BODY)[:-1], InputError, "compression-broken"),
        ("gzip", gzip.compress(BODY) + b"x", InputError, "compression-broken"),
        ("gzip", gzip.compress(BODY + b"x"), PayloadTooLargeError, "body-too-large"),
    ],
)
def test_refused(encoding: str, body: bytes, family: type[InputError], reference: str) -> None:
    with pytest.raises(family) as caught:
        decompress(body, encoding, len(BODY))
    assert type(caught.value) is family
    assert caught.value.reference == reference


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(PayloadTooLargeError):
        decompress(bomb, "gzip", 1_000_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3_000_000
