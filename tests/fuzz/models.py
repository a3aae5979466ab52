"""Manifests of every kind of input, and valid content for them."""

from __future__ import annotations

import base64
import io
import math
from functools import lru_cache
from typing import Any

from PIL import Image
from tests.corpus import manifest_of

from liteship.artifact import Manifest, Preprocessing, TensorSpec
from liteship.runtime.codecs import decode

WRITERS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")

MANIFESTS = {
    "grey pictures": manifest_of(
        TensorSpec("image", "int8", [-1, 8, 8, 1], 1 / 255, -128),
        preprocessing=Preprocessing("image", color="L", mean=[0.0], std=[255.0], resize="bilinear"),
    ),
    "coloured pictures": manifest_of(
        TensorSpec("image", "float32", [1, 5, 4, 3]),
        preprocessing=Preprocessing(
            "image", color="BGR", mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0], resize="nearest"
        ),
    ),
    "rows": manifest_of(TensorSpec("features", "float32", [-1, 3])),
    "quantized rows": manifest_of(TensorSpec("features", "int8", [1, 4], 1e-30, 7)),
    "whole numbers": manifest_of(TensorSpec("counts", "int64", [1, 2])),
    "several inputs": manifest_of(
        TensorSpec("a", "float32", [-1, 2]),
        TensorSpec("b", "int16", [-1, 2, 2], 0.5, 0),
        TensorSpec("c", "bool", [-1, 1]),
        TensorSpec("d", "uint32", [-1]),
    ),
    "one number": manifest_of(TensorSpec("x", "float64", [])),
}


MAX_PIXELS = 100_000
MAX_BATCH = 256


def decode_items(body: bytes, content_type: str, manifest: Manifest) -> list[dict[str, bytes]]:
    """The input tensors of each item, as the runtime's codecs give them.

    Raises:
        InputError: The body is not what this model takes.
    """
    return decode(body, content_type, manifest, MAX_PIXELS, MAX_BATCH)


def nested(shape: tuple[int, ...], leaf: object = 1) -> Any:
    """Nested lists of a shape."""
    if not shape:
        return leaf
    return [nested(shape[1:], leaf) for _ in range(shape[0])]


@lru_cache
def picture(writer: str = "PNG", mode: str = "RGB", width: int = 9, height: int = 7) -> bytes:
    """A picture file; of another mode where the format has no such one."""
    image = Image.new(mode, (width, height))
    buffer = io.BytesIO()
    try:
        image.save(buffer, writer)
    except (OSError, KeyError, ValueError):
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, writer)
    return buffer.getvalue()


def contents(manifest: Manifest) -> list[Any]:
    """JSON contents that this model takes, or may take one day."""
    values = {spec.name: nested(spec.item_shape) for spec in manifest.inputs}
    bare = {spec.name: nested(spec.item_shape[1:]) for spec in manifest.inputs}
    several = {spec.name: nested((3, *spec.item_shape[1:])) for spec in manifest.inputs}
    first = manifest.inputs[0].name
    b64 = base64.b64encode(picture()).decode()
    return [
        {"inputs": values},
        {"inputs": bare},
        {"inputs": several},
        {"inputs": values[first]},
        {"inputs": bare[first]},
        {"inputs": several[first]},
        {"image": {"b64": b64}},
        {"image": [{"b64": b64}, {"b64": b64}]},
        {"images": [{"b64": b64}, {"b64": b64}]},
        {"instances": [bare, bare]},
    ]


def table(manifest: Manifest, rows: int = 1) -> bytes:
    """A CSV body."""
    columns = math.prod(manifest.inputs[0].item_shape)
    lines = [",".join(f"c{index}" for index in range(columns))]
    lines += [",".join(["1.5"] * columns)] * rows
    return "\r\n".join(lines).encode()


def form(parts: list[tuple[str, str, str, bytes]], boundary: str = "x") -> bytes:
    """A `multipart/form-data` body of parts: name, file name, content type, content."""
    lines = b""
    for name, file_name, content_type, content in parts:
        lines += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        lines += f'; filename="{file_name}"'.encode() if file_name else b""
        lines += f"\r\nContent-Type: {content_type}".encode() if content_type else b""
        lines += b"\r\n\r\n" + content + b"\r\n"
    return lines + f"--{boundary}--\r\n".encode()
