"""KServe's custom predictor.

https://kserve.github.io/website/latest/modelserving/v1beta1/custom/custom_model/
"""

import os
from pathlib import Path
from typing import Any

import litert
import numpy as np
from kserve import InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response


class Classifier(Model):
    """One model, by its two protocols."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder
        self.load()

    def load(self) -> bool:
        """Loads the model."""
        self._model = litert.Model(self._folder)
        self.ready = True
        return self.ready

    def predict(
        self, payload: dict[str, Any] | InferRequest, *_: object, **__: object
    ) -> dict[str, Any] | InferResponse:
        """Runs it; real numbers are quantized, the model's own integers are taken as they are."""
        inputs = np.asarray(get_predict_input(payload))
        model = self._model
        tensor = inputs if inputs.dtype == np.int8 else model.from_numbers(inputs)
        return get_predict_response(payload, model.logits(tensor), self.name)


if __name__ == "__main__":
    classifier = Classifier("model", Path(os.environ["MODEL_FOLDER"]))
    ModelServer(http_port=int(os.environ["PORT"]), grpc_port=0).start([classifier])
