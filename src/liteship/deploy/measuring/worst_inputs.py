"""The costliest requests that a function's own settings let through, made to be measured.

Pictures of as many pixels as are decoded, in the forms whose decoders take most memory or time, and one
of them as base64 in JSON; for tensors the largest batch, raw and as JSON. Pictures and JSON are filled
up to the largest body with bytes that their decoders skip. Several pictures of one request share the
pixels of one.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from PIL import Image

from liteship.runtime.codecs import BINARY_TYPE, JSON_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.artifact import Artifact
    from liteship.config import FunctionConfig

TILE = 64
"""Width and height in pixels of the noise that pictures repeat: enough of it to keep a decoder busy."""


@dataclass(frozen=True, kw_only=True)
class WorstInput:
    """One request body.

    Attributes:
        name: What it is, for people.
        media_type: Its content type.
        body: At most as large as was asked for.
    """

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class _Form:
    """How a picture is written: Pillow's names, and the longest side that the format can have."""

    mode: str
    format: str
    longest_side: int
    options: dict[str, object]


FORMS = (
    _Form("RGBA", "PNG", 2**31 - 1, {"compress_level": 1}),
    # every coefficient of every pixel stays in memory until the last scan
    _Form("CMYK", "JPEG", 65_500, {"quality": 5, "progressive": True}),
    _Form("RGB", "JPEG", 65_500, {"quality": 5, "progressive": True, "subsampling": 0}),
    _Form("RGB", "WEBP", 16_383, {"quality": 1, "method": 0}),
    # libwebp's animation decoder holds two canvases beside what Pillow copies
    _Form("RGBA", "WEBP", 16_383, {"lossless": True, "quality": 0, "method": 0}),
)


def worst_inputs(config: FunctionConfig, artifact: Artifact, budget_bytes: int) -> Iterator[WorstInput]:
    """The costliest bodies of at most so many bytes, one after the other: each may be large.

    Args:
        config: The function's settings.
        artifact: Its model.
        budget_bytes: Largest body: `max_body_bytes` for HTTP, `max_object_bytes` for S3.
    """
    if config.input.kind == "image":
        for form in FORMS:
            picture = _picture(form, config.runtime.max_pixels, budget_bytes)
            if picture is not None:
                yield picture
        encoded = _picture(FORMS[-1], config.runtime.max_pixels, (budget_bytes - 64) // 4 * 3)
        if encoded is not None:
            yield _as_json(encoded)
    else:
        yield from _batches(config, artifact, budget_bytes)


def _picture(form: _Form, max_pixels: int, budget_bytes: int) -> WorstInput | None:
    """A picture of `max_pixels`, less at most one row; None where it fits neither format nor budget."""
    width = isqrt(max_pixels)
    height = max_pixels // width
    if height > form.longest_side:
        return None
    for content in (_noise, Image.new):
        buffer = io.BytesIO()
        tile = content(form.mode, (TILE, TILE))
        picture = Image.new(form.mode, (width, height))
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                picture.paste(tile, (left, top))
        picture.save(buffer, form.format, **form.options)
        if buffer.tell() <= budget_bytes:
            return WorstInput(
                name=f"{form.mode} {form.format} of {width:,} x {height:,} pixels",
                media_type=f"image/{form.format.lower()}",
                body=buffer.getvalue().ljust(budget_bytes, b"\0"),
            )
    return None


def _noise(mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.merge(mode, [Image.effect_noise(size, 80) for _ in Image.new(mode, (1, 1)).getbands()])


def _as_json(picture: WorstInput) -> WorstInput:
    content = base64.b64encode(picture.body)
    return WorstInput(
        name=f"{picture.name} in JSON",
        media_type=JSON_TYPE,
        body=b'{"image": {"b64": "' + content + b'"}}',
    )


def _batches(config: FunctionConfig, artifact: Artifact, budget_bytes: int) -> Iterator[WorstInput]:
    """As many items as are answered and as fit, raw and as numbers; one of a model without a batch."""
    manifest = artifact.manifest
    most = config.runtime.max_batch if manifest.is_batched else 1
    golden = b"".join(artifact.golden_inputs)
    count = min(most, budget_bytes // len(golden)) if len(manifest.inputs) == 1 else 1
    yield WorstInput(
        name=f"the golden input as a tensor{_times(count)}",
        media_type=BINARY_TYPE,
        body=golden * max(count, 1),
    )
    of_one = len(_numbers(artifact, 1))
    count = min(most, budget_bytes // of_one)  # names and brackets come once
    if count:
        yield WorstInput(
            name=f"the inputs as JSON{_times(count)}",
            media_type=JSON_TYPE,
            body=_numbers(artifact, count).ljust(budget_bytes),
        )


def _times(count: int) -> str:
    return f", {count:,} times" if count > 1 else ""


def _numbers(artifact: Artifact, count: int) -> bytes:
    """So many items as a request of numbers with nine digits each."""
    inputs: dict[str, object] = {}
    for spec in artifact.manifest.inputs:
        value: object = 0.123456789
        shape = (count, *spec.item_shape[1:]) if artifact.manifest.is_batched else spec.item_shape
        for size in reversed(shape):
            value = [value] * size
        inputs[spec.name] = value
    return json.dumps({"inputs": inputs}).encode()
