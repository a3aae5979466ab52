"""BentoML's service.

https://docs.bentoml.com/en/latest/get-started/hello-world.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
import litert
import numpy as np
from PIL import Image

from pictures import fit

Picture = Image.Image


@bentoml.service(workers=1)
class Classifier:
    """One model."""

    def __init__(self) -> None:
        self._model = litert.Model(Path(os.environ["MODEL_FOLDER"]))

    @bentoml.api
    def predict(self, inputs: np.ndarray) -> list[dict[str, Any]]:
        """Real numbers."""
        return self._model.predict(self._model.from_numbers(inputs))

    @bentoml.api
    def classify(self, picture: Picture) -> list[dict[str, Any]]:
        """A picture file."""
        pixels = np.asarray(fit(picture, *self._model.size))
        return self._model.predict(self._model.from_pixels(pixels))
