"""The child that calibrates and quantizes: `python -m liteship.conversion.workers.quantize`.

Calibrates once; the parent may then ask for any number of quantized models.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.graph import float_tensors, operators
from liteship.conversion.layers import layer_errors
from liteship.conversion.quantize import Ranges, calibrate, quantize
from liteship.conversion.shrinking.clustering import cluster_int8
from liteship.conversion.shrinking.tflite_pruning import prune_float_tflite
from liteship.conversion.workers.conversation import answer_orders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.conversion.workers.conversation import Progress


class Quantizing:
    """Holds the float model and its ranges between orders."""

    def __init__(self) -> None:
        self._float_model = b""
        self._ranges: Ranges | None = None

    def load(self, request: Mapping[str, Any], _progress: Progress) -> dict[str, object]:
        """Reads the float model, and tells its operators in the order of their execution."""
        self._float_model = Path(request["model"]).read_bytes()
        self._ranges = None
        if request["sparsity"] is not None:
            self._float_model = prune_float_tflite(self._float_model, request["sparsity"])
        return {"operators": [dataclasses.asdict(each) for each in operators(self._float_model)]}

    def calibrate(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Finds the ranges of the activations on the arrays of an `.npz`."""
        progress("calibrate")
        with np.load(request["samples"], allow_pickle=False) as file:
            samples = {name: file[name] for name in file.files}
        self._ranges = calibrate(
            self._float_model, samples, lambda done, of: progress("calibrate", done, of)
        )
        return {}

    def quantize(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Writes one quantized model, and tells which of its tensors are in float."""
        progress("quantize")
        model = quantize(
            self._float_model,
            request["scheme"],
            self._ranges,
            left_in_float=request["left_in_float"],
            one_scale_for_dense=request["one_scale_for_dense"],
        )
        if request["clusters"] is not None:
            model = cluster_int8(model, request["clusters"])
        Path(request["output"]).write_bytes(model)
        return {"float_tensors": float_tensors(model)}

    def layers(self, request: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """Compares the layers of a quantized model with the float model's."""
        progress("layers")
        with np.load(request["samples"], allow_pickle=False) as file:
            samples = {name: file[name] for name in file.files}
        model = Path(request["model"]).read_bytes()
        return {"layers": [each.as_dict() for each in layer_errors(self._float_model, model, samples)]}


def main() -> None:
    """Does what the parent asks for."""
    work = Quantizing()
    answer_orders(
        {
            "load": work.load,
            "calibrate": work.calibrate,
            "quantize": work.quantize,
            "layers": work.layers,
        }
    )


if __name__ == "__main__":
    main()
