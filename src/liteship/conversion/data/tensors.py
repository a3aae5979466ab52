"""Arrays against a model's input: shape, dtype, values; converted where nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from liteship.artifact import Preprocessing, TensorSpec

    Checked = tuple[NDArray[np.generic] | None, list[str]]

_EXACT = 2**53
"""Whole numbers beyond this are rounded in a float64."""


def model_input(array: NDArray[np.generic], spec: TensorSpec, preprocessing: Preprocessing) -> Checked:
    """An array as the model's input takes it.

    Floats of any size become the input's when every value stays finite, rounded to nearest; integers
    when no value changes. Integers stay integers: for an integer input, floats count only as whole
    numbers. Bytes for a model of normalised pictures are refused.

    Args:
        array: Of shape (samples, …).
        spec: The input.
        preprocessing: Tells whether pixels are normalised.

    Returns:
        The array in the input's dtype, and the problems, a line each.
    """
    problems = shape_problems(array, spec)
    is_float = np.dtype(spec.dtype).kind == "f"
    converted = None
    try:
        _require_numbers(array, spec, preprocessing)
        converted = _to_float(array, spec) if is_float else _to_integer(array, spec)
    except ValueError as error:
        problems += error.args
    return (None if problems else converted), problems


def shape_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    """What is wrong with an array's shape, and the NumPy call that mends it."""
    item = spec.item_shape[1:]
    if array.ndim and array.shape[1:] == item:
        return []
    sizes = "".join(f", {size}" for size in item) or ","
    fix = _fix(array.shape, item)
    return [f"{spec.name}: expected shape (samples{sizes}), received {array.shape}{fix}"]


def picture_array(array: NDArray[np.generic], spec: TensorSpec) -> Checked:
    """An array of integers as uint8 pictures of shape (samples, height, width[, 1 or 3])."""
    grey, colored = array.ndim == 3, array.ndim == 4 and array.shape[3] in {1, 3}
    if not (grey or colored) or not array.size or array.dtype.kind not in "iu":
        shape = "(samples, height, width[, 1 or 3])"
        received = f"{array.dtype} of shape {array.shape}"
        return None, [
            (
                f"{spec.name}: expected uint8 pictures of shape {shape}, received {received}"
                f"{_picture_fix(array)}"
            )
        ]
    least, greatest = array.min(), array.max()
    if least < 0 or greatest > 255:
        return None, [f"{spec.name}: expected pixels from 0 to 255, received {least} to {greatest}"]
    return array.astype(np.uint8, copy=False), []


def constant_problems(array: NDArray[np.generic], spec: TensorSpec) -> list[str]:
    """A constant has no range. Integer inputs are never quantized: a mask of ones is good data."""
    if array.dtype.kind != "f" or not array.size or array.min() != array.max():
        return []
    return [f"{spec.name}: every value is {array.flat[0]}; a constant calibrates nothing"]


def _require_numbers(
    array: NDArray[np.generic], spec: TensorSpec, preprocessing: Preprocessing
) -> None:
    kind = array.dtype.kind
    if kind not in "biuf":
        raise ValueError(_wrong_dtype(array, spec))
    normalises = any(preprocessing.mean) or any(each != 1 for each in preprocessing.std)
    is_pixel = kind in "iu" and np.dtype(spec.dtype).kind == "f"
    if preprocessing.kind == "image" and normalises and is_pixel:
        msg = f"{_wrong_dtype(array, spec)}, which looks like raw pixels: normalise them"
        raise ValueError(msg)


def _to_float(array: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(spec.dtype)
    if array.dtype.kind == "f":
        is_finite = np.isfinite(array)
        _require_none(
            (~is_finite, f"{spec.name}: values are NaN or infinite"),
            (
                is_finite & ~np.isfinite(converted),
                f"{spec.name}: values are too great for {spec.dtype}",
            ),
        )
        return converted
    changed = converted.astype(np.float64) != array.astype(np.float64)
    # Where float64 rounds, too, the comparison says nothing
    great = np.abs(array.astype(np.float64)) > _EXACT
    _require_none((changed | great, f"{_wrong_dtype(array, spec)}: values lose digits"))
    return converted


def _to_integer(array: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    target = np.dtype(spec.dtype)
    least, greatest = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = array.astype(np.float64)
            whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
        _require_none(
            (~whole, f"{_wrong_dtype(array, spec)}: values are no whole numbers"),
            (whole & (np.abs(numbers) > _EXACT), f"{spec.name}: values are too great to be exact"),
        )
    if array.size and not least <= int(array.min()) <= int(array.max()) <= greatest:
        msg = (
            f"{spec.name}: expected {spec.dtype}, from {least} to {greatest}, received {array.dtype} "
            f"from {array.min()} to {array.max()}"
        )
        raise ValueError(msg)
    return array.astype(target)


def _require_none(*checks: tuple[NDArray[np.bool_], str]) -> None:
    """Raises a ValueError of all that is bad, counted before the word `values` of each message."""
    counts = [(int(bad.sum()), message) for bad, message in checks]
    size = checks[0][0].size
    lines = [text.replace("values", f"{bad} of {size} values", 1) for bad, text in counts if bad]
    if lines:
        raise ValueError(*lines)


def _wrong_dtype(array: NDArray[np.generic], spec: TensorSpec) -> str:
    return f"{spec.name}: expected {spec.dtype}, received {array.dtype}"


def _fix(shape: tuple[int, ...], item: tuple[int, ...]) -> str:
    """The NumPy call that gives an array of this shape the shape of the input's samples."""
    received = shape[1:]
    fixes: dict[tuple[int, ...], str] = {}
    if len(item) == 3:
        height, width, channels = item
        if channels == 1:
            fixes[height, width] = "; the last axis is missing: array[..., numpy.newaxis]"
        last = "; the channels come last (NHWC): array.transpose(0, 3, 1, 2)"
        fixes[item[1], item[2], item[0]] = last
        first = "; the channels come first (NCHW): array.transpose(0, 2, 3, 1)"
        fixes[channels, height, width] = first
    if len(item) == 2:
        fixes[item[::-1]] = "; the axes are exchanged: array.transpose(0, 2, 1)"
    fixes[*item, 1] = "; it has one axis more: array[..., 0]"
    if item and shape == item and received not in fixes:
        return "; the axis of the samples is missing: array[numpy.newaxis]"
    return fixes.get(received, "")


def _picture_fix(array: NDArray[np.generic]) -> str:
    if array.ndim == 4 and array.shape[1] in {1, 3}:
        return "; the channels come first (NCHW): array.transpose(0, 2, 3, 1)"
    if array.ndim == 4 and array.shape[3] == 4:
        return "; without transparency: array[..., :3]"
    if array.dtype.kind == "f" and array.ndim in {3, 4}:
        return "; callers send pictures, which the function normalises"
    return ""
