"""TensorFlow's SavedModel in float32, behind FastAPI.

https://www.tensorflow.org/guide/saved_model
"""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from floating import FloatModel
from numpy.typing import NDArray
from web import make_app

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


class Model(FloatModel):
    """The signature that Keras exports."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._loaded = tf.saved_model.load(str(folder / "saved_model"))  # else its variables go
        self._signature = self._loaded.signatures["serving_default"]
        (self._name,) = self._signature.structured_input_signature[1]
        self.logits(np.zeros(self._shape, np.float32))  # traced and optimized by the first call

    def logits(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the model; of shape (1, classes)."""
        (output,) = self._signature(**{self._name: tf.constant(tensor)}).values()
        logits: NDArray[np.float32] = output.numpy()
        return logits


app = make_app(Model(Path(os.environ["MODEL_FOLDER"])))
