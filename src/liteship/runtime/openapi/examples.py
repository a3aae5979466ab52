"""Examples that work when they are sent: the artifact's golden input, in each form."""

from __future__ import annotations

import base64
import struct
import zlib

from liteship.artifact.tensors import real_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.artifact.folder import Artifact
    from liteship.artifact.parts import Preprocessing
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.openapi.parts import Json

MOST_ELEMENTS = 2_000
"""Of all inputs, in an example made of numbers: more is no longer read."""

MOST_PIXELS = 32
"""Width and height of a picture in an example; the model resizes it."""


def golden_numbers(artifact: Artifact) -> dict[str, list[float]] | None:
    """The golden input as real numbers, row-major, by name; None where it is too long to be read."""
    specs = artifact.manifest.inputs
    if sum(spec.elements for spec in specs) > MOST_ELEMENTS:
        return None
    return {
        spec.name: [_short(value, spec) for value in real_numbers(data, spec)]
        for spec, data in zip(specs, artifact.golden_inputs, strict=True)
    }


def golden_lists(artifact: Artifact) -> dict[str, Json] | None:
    """The golden input as nested lists of the item's shape without the batch dimension, by name."""
    numbers = golden_numbers(artifact)
    if numbers is None:
        return None
    shapes = {spec.name: spec.item_shape[1:] for spec in artifact.manifest.inputs}
    return {name: fold(values, shapes[name]) for name, values in numbers.items()}


def fold(values: Sequence[float], shape: Sequence[int]) -> Json:
    """Nested lists of this shape from elements in row-major order; a number where it is empty."""
    nested: list[object] = list(values)
    for size in reversed(shape):
        nested = [nested[start : start + size] for start in range(0, len(nested), size)]
    return nested[0]  # type: ignore[return-value]


def golden_picture(artifact: Artifact) -> str | None:
    """The golden input as a PNG file in base64; None for a model that takes no pictures."""
    if artifact.manifest.preprocessing.kind != "image":
        return None
    spec, preprocessing = artifact.manifest.inputs[0], artifact.manifest.preprocessing
    _, height, width, channels = spec.item_shape
    pixels = _pixels(real_numbers(artifact.golden_inputs[0], spec), preprocessing)
    rows = [
        pixels[start : start + width * channels] for start in range(0, len(pixels), width * channels)
    ]
    across, down = -(-width // MOST_PIXELS), -(-height // MOST_PIXELS)
    rows = [
        b"".join(row[x * channels : (x + 1) * channels] for x in range(0, width, across))
        for row in rows[::down]
    ]
    return base64.b64encode(encode_png(rows, channels)).decode()


def encode_png(rows: Sequence[bytes], channels: int) -> bytes:
    """A PNG file (https://www.w3.org/TR/png-3/).

    Args:
        rows: Of 8-bit pixels, from the top, all of one length.
        channels: 1 for grey, 3 for RGB.
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    color_type = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, color_type, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _pixels(values: Sequence[float], preprocessing: Preprocessing) -> bytes:
    """8-bit pixels, grey or RGB: the inverse of the normalisation."""
    mean, std = preprocessing.mean, preprocessing.std
    channels = len(mean)
    pixels = bytearray(len(values))
    for channel in range(channels):
        place = 2 - channel if preprocessing.color == "BGR" else channel
        pixels[place::channels] = bytes(
            min(max(round(value * std[channel] + mean[channel]), 0), 255)
            for value in values[channel::channels]
        )
    return bytes(pixels)


def _short(value: float, spec: TensorSpec) -> float:
    """The number in as few digits as give the same element."""
    if spec.is_quantized or spec.dtype == "float32":
        return float(f"{value:.7g}") if spec.is_quantized else float(f"{value:.9g}")
    return value if spec.dtype == "float64" else int(value)
