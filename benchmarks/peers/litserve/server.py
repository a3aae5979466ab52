"""LitServe's API.

https://lightning.ai/docs/litserve/get-started
"""

import os
from pathlib import Path
from typing import Any

import litert
import litserve
import numpy as np
from numpy.typing import NDArray


class Classifier(litserve.LitAPI):
    """One model."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # a processor
        """Loads the model."""
        self._model = litert.Model(Path(os.environ["MODEL_FOLDER"]))

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.int8]:
        """Real numbers."""
        return self._model.from_numbers(request["input"])

    def predict(self, x: NDArray[np.int8]) -> list[dict[str, Any]]:
        """Runs it."""
        return self._model.predict(x)

    def encode_response(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer in JSON."""
        return {"output": output}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
