"""ONNX Runtime behind FastAPI.

https://onnxruntime.ai/docs/get-started/with-python.html
"""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from floating import FloatModel
from numpy.typing import NDArray
from web import make_app


class Model(FloatModel):
    """The same network, quantized by ONNX Runtime's own tool (make_models.py)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            folder / "int8.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._name = self._session.get_inputs()[0].name

    def logits(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the model; of shape (1, classes)."""
        logits: NDArray[np.float32] = self._session.run(None, {self._name: tensor})[0]
        return logits


app = make_app(Model(Path(os.environ["MODEL_FOLDER"])))
