"""Pictures as a model's pixels, as Pillow's own documentation shows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_pixels(picture: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """A JPEG or PNG file as RGB of shape (height, width, 3)."""
    return np.asarray(fit(Image.open(io.BytesIO(picture)), height, width))


def fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """A picture in RGB and in the model's size."""
    image = image.convert("RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image
