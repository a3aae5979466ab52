"""A SavedModel as a quantized ONNX model, once: SavedModel → tf2onnx → ONNX Runtime's static int8.

    python make_models.py FOLDER

Reads saved_model/ and model/model.json there, writes float32.onnx and int8.onnx: QDQ, U8 activations,
S8 weights a channel, MinMax calibration, after `quant_pre_process`. The default, S8 activations, gives
the same outputs and takes longer on x86 with VNNI.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 64


class Samples(CalibrationDataReader):
    """The same kind of noise as liteship's model was calibrated with (comparison/models.py)."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        random = np.random.default_rng(7)
        self._samples = iter([{name: sample(random, shape)} for _ in range(SAMPLES)])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """One of them."""
        return next(self._samples, None)


def sample(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One input: numbers from 0 to 1, or a picture of squares of 16 pixels, from -1 to 1."""
    if len(shape) == 2:
        return random.uniform(0, 1, shape).astype(np.float32)
    _, height, width, channels = shape
    squares = random.integers(0, 256, (1, height // 16, width // 16, channels), dtype=np.uint8)
    return squares.repeat(16, axis=1).repeat(16, axis=2).astype(np.float32) / np.float32(127.5) - 1


def main(folder: Path) -> None:
    """Makes both files."""
    (specification,) = json.loads((folder / "model" / "model.json").read_text())["inputs"]
    name, shape = specification["name"], (1, *specification["shape"][1:])
    float_model = folder / "float32.onnx"
    convert = ("-m", "tf2onnx.convert", "--opset", "17", "--saved-model", folder / "saved_model")
    subprocess.run([sys.executable, *convert, "--output", float_model], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(float_model, prepared)
        quantize_static(
            prepared,
            folder / "int8.onnx",
            Samples(name, shape),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
