"""A picture in the forms in which requests carry it."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

PNG, JSON, BINARY = "image/png", "application/json", "application/octet-stream"


def saved(picture: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format)
    return buffer.getvalue()


def png(picture: Image.Image) -> bytes:
    return saved(picture, "PNG")


def unit(picture: Image.Image) -> list[list[list[float]]]:
    """The picture as the model sees it: shape (8, 8, 1), values 0-1."""
    values: list[list[list[float]]] = (np.asarray(picture)[..., None] / 255).tolist()
    return values


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def encoded(picture: Image.Image) -> dict[str, str]:
    return {"b64": base64.b64encode(png(picture)).decode()}


def raw(picture: Image.Image) -> bytes:
    return bytes(each ^ 0x80 for each in picture.tobytes())


def floats(picture: Image.Image) -> bytes:
    return (np.asarray(picture, np.float32) / 255).tobytes()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that unpacks to 20,000 × 20,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)  # one bit a pixel
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(2501)) for _ in range(20_000)) + packer.flush()
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
