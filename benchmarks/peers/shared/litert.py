"""A quantized model in LiteRT's interpreter, as its documentation runs one in Python.

https://ai.google.dev/edge/litert/inference#run-python
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from scores import best, read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Model:
    """One model of one input and one output, both int8.

    Args:
        folder: With `model/model.tflite` and `model/model.json`.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        self.labels: list[str] = manifest["postprocessing"]["labels"]
        self._interpreter = Interpreter(str(folder / "model" / "model.tflite"), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self._shape = self._input["shape"]
        self.size: tuple[int, int] = tuple(self._shape[1:3])  # height and width of a picture
        self._scale, self._zero_point = self._input["quantization"]
        if "mean" in manifest["preprocessing"]:  # one for all channels, as MobileNetV2 has it
            mean, std = (manifest["preprocessing"][name][0] for name in ("mean", "std"))
            self._mean, self._steps = np.float32(mean), np.float32(1 / (std * self._scale))

    def from_bytes(self, body: bytes) -> NDArray[np.int8]:
        """The input tensor of its own bytes."""
        return np.frombuffer(body, np.int8).reshape(self._shape)

    def from_numbers(self, numbers: Sequence[float] | NDArray[np.float32]) -> NDArray[np.int8]:
        """The input tensor of real numbers, in any nesting."""
        real = np.asarray(numbers, np.float32).reshape(self._shape)
        return self._saturate(np.rint(real / np.float32(self._scale)))

    def from_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        """The input tensor of RGB pixels: normalised, and quantized with the same multiplication."""
        return self._saturate(np.rint((pixels - self._mean) * self._steps)).reshape(self._shape)

    def from_picture(self, picture: bytes) -> NDArray[np.int8]:
        """The input tensor of a picture file."""
        from pictures import read_pixels

        return self.from_pixels(read_pixels(picture, *self.size))

    def logits(self, tensor: NDArray[np.int8]) -> NDArray[np.float32]:
        """Runs the model; its output in real numbers, of shape (1, classes)."""
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        scale, zero_point = self._output["quantization"]
        output = self._interpreter.get_tensor(self._output["index"]).astype(np.float32)
        real: NDArray[np.float32] = (output - np.float32(zero_point)) * np.float32(scale)
        return real

    def predict(self, tensor: NDArray[np.int8]) -> list[dict[str, Any]]:
        """Runs the model; its best labels."""
        return best(self.logits(tensor)[0], self.labels)

    def _saturate(self, steps: NDArray[np.float32]) -> NDArray[np.int8]:
        return np.clip(steps + np.float32(self._zero_point), -128, 127).astype(np.int8)
