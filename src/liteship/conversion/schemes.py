"""Quantization schemes: what each makes of weights, activations and the model's boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activations = Literal["int8", "int16", "float32"]
Weights = Literal["int4", "int8", "float16", "float32"]

AUTO = "auto"
"""Instead of a scheme: the smallest result that keeps the budget."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way to quantize.

    Attributes:
        weights: What the weights are stored as.
        activations: What the model computes in, as far as its operators can.
        float_boundary: The model takes and gives float32, though it computes in integers.
        dynamic: Activations are quantized to int8 at run time, by each dense or convolution kernel.
    """

    weights: Weights
    activations: Activations = "float32"
    float_boundary: bool = False
    dynamic: bool = False

    @property
    def is_static(self) -> bool:
        """Whether activations are quantized by ranges that calibration finds."""
        return self.activations != "float32"


SCHEMES: dict[str, Scheme] = {
    "int8": Scheme(weights="int8", activations="int8"),
    "int8-float-io": Scheme(weights="int8", activations="int8", float_boundary=True),
    "int16x8": Scheme(weights="int8", activations="int16"),
    "dynamic": Scheme(weights="int8", dynamic=True),
    "weight-only-int8": Scheme(weights="int8"),
    "weight-only-int4": Scheme(weights="int4"),
    "float16": Scheme(weights="float16"),
    "float32": Scheme(weights="float32"),
}
"""By the name that users write and the manifest holds."""

BOUNDARY = "input"
"""Stands for the model's inputs among the operators that may be left in float."""
