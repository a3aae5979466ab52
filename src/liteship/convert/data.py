"""Calibration and evaluation data: `.npz` files, checked before any converter sees them.

An empty or all-NaN representative data set makes TensorFlow's converter emit a half-float model
without a word, and an infinity in it kills the process; so both are refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from liteship.artifact import Preprocessing, TensorSpec

    Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Held-out samples as callers send them.

    Attributes:
        inputs: By input name: uint8 pictures of shape (samples, height, width[, channels]), values
            0-255, or tensors of the input's dtype of shape (samples, …).
        labels: int64 array of shape (samples,), class indices.
    """

    inputs: Mapping[str, NDArray[np.generic]]
    labels: NDArray[np.int64]


def load_calibration(path: Path, specs: Sequence[TensorSpec]) -> Arrays:
    """Reads a representative data set and checks it against the model's inputs.

    Args:
        path: `.npz` with one array an input, of shape (samples, …) without the batch dimension.
        specs: The source model's inputs.

    Returns:
        float32 arrays (or the input's own integer dtype) by input name, all of the same length.

    Raises:
        CalibrationError: `calibration-missing`, `calibration-unreadable`, or `calibration-invalid`
            with every problem found.
    """
    arrays = read_arrays(path, "calibration")
    problems = _name_problems(arrays, {spec.name for spec in specs})
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        problems.append(f"the arrays differ in length: {lengths}")
    for spec in specs:
        if spec.name in arrays:
            problems += _calibration_problems(arrays[spec.name], spec)
    if problems:
        raise CalibrationError(
            "calibration-invalid",
            f"{path} cannot calibrate this model",
            problems=problems,
            hint="save real training inputs, normalised as the model sees them: "
            "numpy.savez('calibration.npz', INPUT=array)",
        )
    return arrays


def load_evaluation(
    path: Path, specs: Sequence[TensorSpec], preprocessing: Preprocessing
) -> Evaluation:
    """Reads held-out samples with their labels.

    Args:
        path: `.npz` with one array an input and an integer array `label`.
        specs: The source model's inputs.
        preprocessing: Tells whether callers send pictures or tensors.

    Raises:
        CalibrationError: `evaluation-missing`, `evaluation-unreadable` or `evaluation-invalid`.
    """
    arrays = read_arrays(path, "evaluation")
    problems = _name_problems(arrays, {*(spec.name for spec in specs), "label"})
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        problems.append(f"the arrays must have one length above 0: {lengths}")
    if "label" in arrays:
        problems += _label_problems(arrays["label"])
    problem_of = _picture_problems if preprocessing.kind == "image" else _tensor_problems
    for spec in specs:
        if lengths.get(spec.name):
            problems += problem_of(arrays[spec.name], spec)
    if problems:
        raise CalibrationError(
            "evaluation-invalid",
            f"{path} cannot measure this model",
            problems=problems,
            hint="save held-out inputs as callers send them: "
            "numpy.savez('evaluation.npz', INPUT=array, label=classes)",
        )
    labels = arrays.pop("label").astype(np.int64)
    return Evaluation(inputs=arrays, labels=labels)


def read_arrays(path: Path, purpose: str) -> Arrays:
    """Reads an `.npz` whole, without looking at what is in it.

    Args:
        path: The file.
        purpose: `calibration` or `evaluation`, for messages.

    Raises:
        CalibrationError: `calibration-missing`, `calibration-unreadable`, and the same for evaluation.
    """
    if not path.is_file():
        raise CalibrationError(
            f"{purpose}-missing",
            f"there is no {purpose} file {path}",
            hint=f"write it in train.py, or correct model.{purpose} in function.toml",
        )
    try:
        with path.open("rb") as file:
            # allow_pickle=False: a data file must not be able to run code
            archive = np.load(file, allow_pickle=False)
            names = archive.files if isinstance(archive, np.lib.npyio.NpzFile) else ()
            arrays = {name: archive[name] for name in names}
    except Exception as error:  # NumPy, zipfile and zlib raise whatever damaged bytes lead them to
        raise _unreadable(path, purpose, f"{type(error).__name__}: {error}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise _unreadable(path, purpose, "it holds a single array")
    strangers = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if strangers:
        raise _unreadable(path, purpose, f"{strangers[0]} is not an array")
    return arrays


def _unreadable(path: Path, purpose: str, reason: str) -> CalibrationError:
    return CalibrationError(
        f"{purpose}-unreadable",
        f"{path} cannot be read as .npz: {reason}",
        hint="write it with numpy.savez(PATH, INPUT=array)",
    )


def _name_problems(arrays: Arrays, expected: set[str]) -> list[str]:
    if arrays.keys() == expected:
        return []
    return [f"expected the arrays {sorted(expected)}, received {sorted(arrays)}"]


def _calibration_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    if array.ndim == 0 or array.shape[0] == 0:
        return [f"{spec.name}: holds no samples"]
    problems = _tensor_problems(array, spec)
    if not problems and array.min() == array.max():
        problems.append(f"{spec.name}: every value is {array.flat[0]}; a constant calibrates nothing")
    return problems


def _tensor_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    problems = []
    if array.dtype != np.dtype(spec.dtype):
        problems.append(f"{spec.name}: expected {spec.dtype}, received {array.dtype}")
    if array.shape[1:] != spec.item_shape[1:]:
        item = "".join(f", {size}" for size in spec.item_shape[1:]) or ","
        problems.append(f"{spec.name}: expected shape (samples{item}), received {array.shape}")
    if not problems and array.dtype.kind == "f":
        bad = int((~np.isfinite(array)).sum())
        if bad:
            problems.append(f"{spec.name}: {bad} of {array.size} values are NaN or infinite")
    return problems


def _picture_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    grey, colored = array.ndim == 3, array.ndim == 4 and array.shape[3] in {1, 3}
    if array.dtype == np.uint8 and (grey or colored) and array.size:
        return []
    shape = "(samples, height, width[, 1 or 3])"
    return [f"{spec.name}: expected uint8 pictures of shape {shape}, received {_kind(array)}"]


def _label_problems(array: NDArray[np.generic]) -> list[str]:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        return [f"label: expected integers of shape (samples,), received {_kind(array)}"]
    if array.size and array.min() < 0:
        return [f"label: expected classes from 0, received {array.min()}"]
    return []


def _kind(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} of shape {array.shape}"
