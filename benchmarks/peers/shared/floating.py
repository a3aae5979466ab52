"""What the models of TensorFlow and ONNX have in common: they take and give float32."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from scores import best, read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class FloatModel(ABC):
    """One model of one float32 input and one float32 output.

    Args:
        folder: With `model/model.json`.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        self.labels: list[str] = manifest["postprocessing"]["labels"]
        (specification,) = manifest["inputs"]
        self._shape = (1, *specification["shape"][1:])
        self._mean, self._std = (
            np.float32(manifest["preprocessing"].get(name, [default])[0])
            for name, default in (("mean", 0), ("std", 1))
        )

    def from_bytes(self, body: bytes) -> NDArray[np.float32]:
        """The input tensor of its own bytes."""
        return np.frombuffer(body, np.float32).reshape(self._shape)

    def from_numbers(self, numbers: Sequence[float]) -> NDArray[np.float32]:
        """The input tensor of real numbers."""
        return np.asarray(numbers, np.float32).reshape(self._shape)

    def from_picture(self, picture: bytes) -> NDArray[np.float32]:
        """The input tensor of a picture file."""
        from pictures import read_pixels

        pixels = read_pixels(picture, *self._shape[1:3])
        return ((pixels - self._mean) / self._std).reshape(self._shape)

    @abstractmethod
    def logits(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the model; of shape (1, classes)."""

    def predict(self, tensor: NDArray[np.float32]) -> list[dict[str, Any]]:
        """Runs the model; its best labels."""
        return best(self.logits(tensor)[0], self.labels)
