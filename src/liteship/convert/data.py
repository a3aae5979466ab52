"""Calibration and evaluation data: `.npz` files, checked before any converter sees them.

An empty or all-NaN representative data set makes TensorFlow's converter emit a half-float model
without a word, and an infinity in it kills the process; so both are refused here.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec

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
    arrays = _read(path, "calibration")
    problems = _name_problems(arrays, {spec.name for spec in specs})
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        problems.append(f"the arrays differ in length: {lengths}")
    for spec in specs:
        if spec.name in arrays:
            problems += _array_problems(arrays[spec.name], spec)
    if problems:
        raise CalibrationError(
            "calibration-invalid",
            f"{path} cannot calibrate this model",
            problems=problems,
            hint="save real training inputs, normalised as the model sees them: "
            "numpy.savez('calibration.npz', INPUT=array)",
        )
    return arrays


def load_evaluation(path: Path, names: Sequence[str]) -> Evaluation:
    """Reads held-out samples with their labels.

    Args:
        path: `.npz` with one array an input and an integer array `label`.
        names: The model's input names.

    Raises:
        CalibrationError: `evaluation-missing`, `evaluation-unreadable` or `evaluation-invalid`.
    """
    arrays = _read(path, "evaluation")
    problems = _name_problems(arrays, {*names, "label"})
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        problems.append(f"the arrays must have one length above 0: {lengths}")
    if "label" in arrays and (arrays["label"].dtype.kind not in "iu" or arrays["label"].ndim != 1):
        problems.append(
            f"label: expected integers of shape (samples,), received {_kind(arrays['label'])}"
        )
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


def _read(path: Path, purpose: str) -> Arrays:
    if not path.is_file():
        raise CalibrationError(
            f"{purpose}-missing",
            f"there is no {purpose} file {path}",
            hint=f"write it in train.py, or correct model.{purpose} in function.toml",
        )
    try:
        # allow_pickle=False: a data file must not be able to run code
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                msg = "it holds a single array"
                raise ValueError(msg)  # noqa: TRY301, TRY004  # answered below like every unreadable file
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise CalibrationError(
            f"{purpose}-unreadable",
            f"{path} cannot be read as .npz: {error}",
            hint="write it with numpy.savez(PATH, INPUT=array)",
        ) from error


def _name_problems(arrays: Arrays, expected: set[str]) -> list[str]:
    if arrays.keys() == expected:
        return []
    return [f"expected the arrays {sorted(expected)}, received {sorted(arrays)}"]


def _array_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    shape = tuple(spec.item_shape[1:])
    if array.ndim == 0 or array.shape[0] == 0:
        return [f"{spec.name}: holds no samples"]
    problems = []
    if array.dtype != np.dtype(spec.dtype):
        problems.append(f"{spec.name}: expected {spec.dtype}, received {array.dtype}")
    if array.shape[1:] != shape:
        problems.append(
            f"{spec.name}: expected shape (samples, {str(shape)[1:]}, received {array.shape}"
        )
    if problems:
        return problems
    if array.dtype.kind == "f":
        bad = int((~np.isfinite(array)).sum())
        if bad:
            return [f"{spec.name}: {bad} of {array.size} values are NaN or infinite"]
    if array.min() == array.max():
        problems.append(f"{spec.name}: every value is {array.flat[0]}; a constant calibrates nothing")
    return problems


def _kind(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} of shape {array.shape}"
