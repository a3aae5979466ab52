"""What ranges say before a model is quantized: int8 has 256 steps for all values of an input tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import Preprocessing, TensorSpec

    Arrays = Mapping[str, NDArray[np.generic]]

STEPS = 255
"""Steps of an int8 range."""

_SATURATED_SHARE = 0.01
"""Share of values beyond the range that is told: fewer are the tail of any distribution."""

_FAR = 2.0
"""How many times the range a single value may reach untold."""

_USED_SHARE = 1 / 20
"""Part of the range that must be used: of less, int8 keeps a dozen steps."""

_FEW_STEPS = 8
"""A column whose span is fewer steps than this is nearly a constant to the model."""


def scale_warnings(
    calibration: Arrays,
    evaluation_normalized: Arrays,
    specs: Sequence[TensorSpec],
    preprocessing: Preprocessing | None = None,
) -> list[str]:
    """Says where held-out inputs lie far outside the calibrated range, or use next to nothing of it.

    For a model of pictures the calibration alone tells, too: normalised pixels have known ends.

    Args:
        calibration: By input name, what the model sees: shape (samples, …).
        evaluation_normalized: The same of the held-out samples; empty if there are none.
        specs: The model's inputs, of the float or the quantized one; ids have no range.
        preprocessing: From request to tensor.

    Returns:
        A line for each input and set that is concerned.
    """
    warnings = []
    if preprocessing is not None and preprocessing.kind == "image":
        for spec in _float_inputs(specs, calibration):
            warnings += _pixel_warnings(calibration[spec.name], spec, preprocessing)
    for spec in _float_inputs(specs, calibration, evaluation_normalized):
        known, held_out = calibration[spec.name], evaluation_normalized[spec.name]
        # The range of a quantized tensor holds 0, for padding (Jacob et al. 2018, section 2.1)
        least, greatest = min(float(known.min()), 0.0), max(float(known.max()), 0.0)
        reach, known_reach = _reach(held_out), max(-least, greatest)
        ratio = reach / known_reach if known_reach else np.inf
        outside = float((np.less(held_out, least) | np.greater(held_out, greatest)).mean())
        if outside >= _SATURATED_SHARE or ratio >= _FAR:
            warnings.append(
                f"input {spec.name}: held-out values reach {reach:g}, calibrated are {least:g} to "
                f"{greatest:g} ({ratio:.3g} times): {outside:.1%} of the values saturate; "
                "normalise both as in training"
            )
        elif ratio < _USED_SHARE:
            warnings.append(
                f"input {spec.name}: held-out values reach {reach:g}, calibrated are {least:g} to "
                f"{greatest:g}: int8 keeps {int(ratio * STEPS)} of {STEPS} steps for them; "
                "normalise both as in training"
            )
    return warnings


def range_causes(calibration: Arrays, specs: Sequence[TensorSpec]) -> list[str]:
    """Says which inputs have columns of such different spans that one scale cannot hold them.

    Args:
        calibration: By input name, what the model sees: shape (samples, …, columns).
        specs: The float model's inputs; those of shape (batch, columns) and (batch, time, columns) are
            looked at.

    Returns:
        A line for each input that is concerned.
    """
    causes = []
    for spec in _float_inputs(specs, calibration):
        values = calibration[spec.name]
        if values.ndim not in {2, 3}:
            continue
        rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
        least, greatest = rows.min(axis=0), rows.max(axis=0)
        spans = greatest - least
        step = (max(greatest.max(), 0.0) - min(least.min(), 0.0)) / STEPS
        narrow = (spans > 0) & (spans < _FEW_STEPS * step)  # a constant column loses nothing
        if not narrow.any():
            continue
        wide = int(np.argmax(np.maximum(abs(least), abs(greatest))))
        slim = int(np.argmin(np.where(narrow, spans, np.inf)))
        causes.append(
            f"input {spec.name}: column {wide} spans {least[wide]:.4g} to {greatest[wide]:.4g} next to "
            f"column {slim} spanning {least[slim]:.4g} to {greatest[slim]:.4g}: of one int8 scale with "
            f"steps of {step:.2g}, {int(narrow.sum())} of {len(spans)} columns keep fewer than "
            f"{_FEW_STEPS}; normalise outside the model, or keep this input float"
        )
    return causes


def _pixel_warnings(
    known: NDArray[np.generic], spec: TensorSpec, preprocessing: Preprocessing
) -> list[str]:
    ends = np.array([[0.0], [255.0]]) - np.array(preprocessing.mean)
    greatest = float(np.abs(ends / np.array(preprocessing.std)).max())
    reach = _reach(known)
    ratio = reach / greatest
    if _USED_SHARE <= ratio < _FAR:
        return []
    told = f"input {spec.name}: calibration values reach {reach:g}"
    known_ends = f"pixels normalised as [input] of function.toml says {greatest:g} ({ratio:.3g} times)"
    return [f"{told}, {known_ends}: the ranges fit nothing; normalise them as in training"]


def _float_inputs(specs: Sequence[TensorSpec], *sets: Arrays) -> list[TensorSpec]:
    """Inputs with real numbers in every set, whatever dtype a quantized model has for them."""
    return [
        spec
        for spec in specs
        if all(
            spec.name in each and each[spec.name].size and each[spec.name].dtype.kind == "f"
            for each in sets
        )
    ]


def _reach(values: NDArray[np.generic]) -> float:
    return max(-float(values.min()), float(values.max()), 0.0)
