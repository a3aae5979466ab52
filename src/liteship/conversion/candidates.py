"""Quantized models of one float model, made by a child process that calibrates once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from liteship.conversion.report.parts import LayerError
from liteship.conversion.schemes import BOUNDARY, SCHEMES
from liteship.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from liteship.conversion.child import Child


_LAYER_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One quantized model.

    Attributes:
        scheme: A key of `SCHEMES`.
        model: Content of the `.tflite`.
    """

    scheme: str
    model: bytes


class Candidates:
    """Makes candidates.

    Args:
        child: Runs `liteship.conversion.workers.quantize`.
        folder: For the files that go between.
        calibration: Arrays of shape (samples, …) by input name.
        one_scale_for_dense: As `quantize.quantize`.
        clusters: Distinct values that a weight tensor may have, or None.
    """

    def __init__(
        self,
        child: Child,
        folder: Path,
        calibration: Mapping[str, NDArray[np.generic]],
        *,
        one_scale_for_dense: bool,
        clusters: int | None,
    ) -> None:
        self._child = child
        self._folder = folder
        self._one_scale_for_dense = one_scale_for_dense
        self._clusters = clusters
        self._calibration = calibration
        self._calibrated = False
        self.operators: list[dict[str, Any]] = []

    def load(self, float_model: Path, sparsity: float | None = None) -> Self:
        """Lets the child read a float model, and set part of its weights to zero."""
        answer = self._child.ask("load", model=str(float_model), sparsity=sparsity)
        self.operators = answer["operators"]
        self._calibrated = False
        return self

    def make(self, scheme: str, left_in_float: Sequence[str] = ()) -> Candidate:
        """Quantizes.

        Raises:
            ConversionError: `float-remainder` if the scheme is all of integers and an operator stayed
                in float unasked, or what the child raises.
        """
        static = SCHEMES[scheme].is_static
        if static and not self._calibrated:
            samples = self._folder / "calibration.npz"
            np.savez(samples, **self._calibration)  # type: ignore[arg-type]  # names are the arguments
            self._child.ask("calibrate", samples=str(samples))
            self._calibrated = True
        output = self._folder / "quantized.tflite"
        answer = self._child.ask(
            "quantize",
            scheme=scheme,
            left_in_float=list(left_in_float),
            one_scale_for_dense=self._one_scale_for_dense and scheme == "dynamic",
            clusters=self._clusters,
            output=str(output),
        )
        floats = answer["float_tensors"]
        if static and floats and not left_in_float:
            raise ConversionError(
                "float-remainder",
                f"the model was to become {scheme} throughout, but some tensors stayed in float",
                problems=floats[:20],
                hint="replace the layers that make these tensors, for which LiteRT has no integer "
                "kernel; or use --scheme dynamic, which computes in float",
            )
        return Candidate(scheme=scheme, model=output.read_bytes())

    def layer_errors(self, candidate: Candidate) -> tuple[list[LayerError], tuple[str, ...]]:
        """What the quantization did to each layer; or, where that cannot be told, a warning."""
        model, samples = self._folder / "candidate.tflite", self._folder / "few.npz"
        model.write_bytes(candidate.model)
        few = {name: values[:_LAYER_SAMPLES] for name, values in self._calibration.items()}
        np.savez(samples, **few)  # type: ignore[arg-type]  # names are the arguments
        try:
            answer = self._child.ask("layers", model=str(model), samples=str(samples))
        except ConversionError as error:
            return [], (f"the layers could not be compared: {error.message}",)
        return [LayerError.from_dict(each) for each in answer["layers"]], ()

    def repairable(self, scheme: str) -> list[str]:
        """What may be left in float, in the order of execution, the model's input first."""
        first = [BOUNDARY] if SCHEMES[scheme].is_static else []
        return first + [operator["scope"] for operator in self.operators]

    def describe(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """Operators as a person reads them."""
        known = {
            operator["scope"]: f"{operator['kind']} {operator['output']}" for operator in self.operators
        }
        return tuple(known.get(scope, scope) for scope in scopes)
