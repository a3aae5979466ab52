"""The child that knows the source's framework: `python -m liteship.conversion.workers.export`.

Runs in an environment that may hold nothing but the framework, NumPy and this package.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.shrinking import ShrinkOptions
from liteship.conversion.sources.exported import Exported, ExportOptions
from liteship.conversion.workers.conversation import answer_orders
from liteship.errors import ConfigurationError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.conversion.workers.conversation import Progress

FLOAT_FILE = "float.tflite"

_MODULES = {
    "keras": "keras_model",
    "h5": "keras_model",
    "saved-model": "saved_model",
    "tflite": "tflite_model",
    "torch-factory": "pytorch",
    "torch-export": "pytorch",
    "torchscript": "pytorch",
    "onnx": "onnx_model",
}
"""Module of `liteship.conversion.sources` by source format."""


class Exporter:
    """Holds the source model between orders."""

    def __init__(self) -> None:
        self._exported: Exported | None = None

    def export(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Loads the source and writes `float.tflite` into the folder."""
        module = importlib.import_module(f"liteship.conversion.sources.{_MODULES[request['format']]}")
        options = ExportOptions(
            signature=request["signature"],
            input_shapes={name: tuple(shape) for name, shape in request["input_shapes"].items()},
            channel_last=request["channel_last"],
        )
        if request["modules"]:  # where the factory of function.toml may be
            sys.path.append(request["modules"])
        progress("load")
        exported: Exported = module.export(request["source"], request["format"], options, progress)
        self._exported = exported
        (Path(request["folder"]) / FLOAT_FILE).write_bytes(exported.float_model)
        return {"runs": exported.run is not None, "outputs": exported.outputs}

    def run(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Runs the source on the arrays of one `.npz`, and writes its outputs to another."""
        exported = self._loaded()
        progress("compare")
        with np.load(request["inputs"], allow_pickle=False) as file:
            inputs = {name: file[name] for name in file.files}
        if exported.run is None:
            msg = "this source has no framework to run it"
            raise AssertionError(msg)
        try:
            outputs = exported.run(inputs)
        except Exception as error:  # frameworks raise whatever a model leads them to
            raise ConversionError(
                "source-fails",
                f"the source model cannot be run: {type(error).__name__}: {str(error)[:500]}",
                hint="run it in its own framework on the same data first",
            ) from error
        np.savez(request["outputs"], **outputs)  # type: ignore[arg-type]  # names are the arguments
        return {}

    def tune(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Fine-tunes the source on the samples of an `.npz`, and writes it as another `.tflite`."""
        exported = self._loaded()
        if exported.tuned is None:
            raise ConfigurationError(
                "fine-tune-unsupported",
                "a source of this format cannot be trained further",
                expected="a Keras model (.keras or .h5), or module:factory of a PyTorch module",
                hint="fine-tune it in its own training script (liteship.conversion.shrinking has a "
                "callback for Keras), or leave out --fine-tune",
            )
        options = ShrinkOptions(**request["options"])
        with np.load(request["samples"], allow_pickle=False) as file:
            inputs = {name: file[name] for name in file.files}
        labels = np.load(request["labels"], allow_pickle=False)
        progress("fine-tune")
        float_model = exported.tuned(inputs, labels, options, progress)
        Path(request["output"]).write_bytes(float_model)
        return {}

    def _loaded(self) -> Exported:
        if self._exported is None:
            msg = "the parent asks for an export first"
            raise AssertionError(msg)
        return self._exported


def main() -> None:
    """Does what the parent asks for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums vary with the number of threads
    exporter = Exporter()
    answer_orders({"export": exporter.export, "run": exporter.run, "tune": exporter.tune})


if __name__ == "__main__":
    main()
