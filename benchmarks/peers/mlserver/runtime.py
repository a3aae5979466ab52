"""MLServer's custom runtime.

https://docs.seldon.ai/mlserver/user-guide/custom
"""

import os
from pathlib import Path

import litert
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Classifier(MLModel):
    """One model, by its codec for NumPy."""

    async def load(self) -> bool:
        """Loads the model."""
        self._model = litert.Model(Path(os.environ["MODEL_FOLDER"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Runs it; real numbers are quantized, the model's own integers are taken as they are."""
        inputs = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        model = self._model
        logits = model.logits(inputs if inputs.dtype == np.int8 else model.from_numbers(inputs))
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("output_0", logits)]
        )
