"""Compressed bodies: `content-encoding: gzip` and `deflate` (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import zlib

from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""For zlib: 31 is gzip's frame, 15 zlib's, which `deflate` means in HTTP."""


def decompress(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: What the caller sent.
        encoding: The header `content-encoding`; empty and `identity` change nothing.
        limit_bytes: Most bytes that are unpacked: a small body may stand for gigabytes.

    Raises:
        UnsupportedMediaError: `content-encoding` for any other encoding, or several.
        InputError: `compression-broken` for a body that is not of that encoding, or not whole.
        PayloadTooLargeError: `body-too-large`.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in _WINDOW_BITS:
        raise UnsupportedMediaError(
            "content-encoding",
            "the request body is compressed in a way that is not read here",
            expected="gzip, deflate, or no content-encoding",
            received=f"{encoding:.60}",
            hint="send the body uncompressed",
        )
    stream = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        content = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise _broken(f"{name}: {error}") from error
    if len(content) > limit_bytes:
        raise PayloadTooLargeError(
            "body-too-large",
            "the request body is too large once it is unpacked",
            expected=f"at most {limit_bytes:,} bytes",
            received="more",
            hint="send a smaller picture, or put it into the S3 bucket",
        )
    if not stream.eof or stream.unused_data:
        raise _broken(f"{name}: " + ("bytes after the end" if stream.eof else "it is not whole"))
    return content


def _broken(received: str) -> InputError:
    return InputError(
        "compression-broken",
        "the request body cannot be unpacked",
        expected="what content-encoding says",
        received=received,
        hint="drop the header content-encoding if the body is not compressed",
    )
