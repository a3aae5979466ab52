"""Labels: classes by index or by name, or the numbers that a regression should answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.data.samples import LABEL, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from liteship.conversion.data.samples import Query

    Labels = tuple[NDArray[np.generic] | None, list[str]]


def read_labels(values: NDArray[np.generic], query: Query) -> Labels:
    """Turns labels as they stand in a file into what is measured against.

    Args:
        values: Of shape (samples, …): integers, names, or numbers.
        query: Whether they are classes, and the classes' names.

    Returns:
        int64 array of shape (samples,), or float64 of shape (samples, …) for a regression; and the
        problems, a line each.
    """
    if not query.classification:
        return _numbers(values)
    if values.ndim == 2 and values.shape[1] == 1:  # as Keras' own data sets have them
        values = values[:, 0]
    if values.ndim != 1:
        kind = f"{values.dtype} of shape {values.shape}"
        one_hot = "; one-hot labels: label.argmax(axis=1)" if values.ndim == 2 else ""
        return None, [f"{LABEL}: expected integers of shape (samples,), received {kind}{one_hot}"]
    if values.dtype.kind in "US":
        encoded = values.dtype.kind == "S"
        text = np.char.decode(values.astype(np.bytes_), "utf-8", "replace") if encoded else values
        return _named(np.char.strip(text.astype(np.str_)), query.classes)
    if values.dtype.kind not in "iu":
        return None, [
            (
                f"{LABEL}: expected integers of shape (samples,), received {values.dtype} of shape "
                f"{values.shape}"
            )
        ]
    return _indices(values, query.classes)


def class_of_names(
    names: Sequence[str], classes: Sequence[str], *, sort_alone: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Which class each name means.

    Names of the function's own classes win over numbers: of the classes "1", "2" and "3", the label 1
    is the first.

    Args:
        names: Distinct names that data uses.
        classes: The function's `output.labels`; may be empty.
        sort_alone: Whether names without `classes` count in their sorted order, as Keras and
            torchvision count class folders.

    Returns:
        Class index by name, and the problems, a line each.
    """
    indices = {name: place for place, name in enumerate(classes)}
    strangers = [name for name in names if name not in indices]
    if classes and not strangers:
        return {name: indices[name] for name in names}, []
    if all(re.fullmatch(r"-?[0-9]{1,9}", name) for name in names):
        return _numbered(names, classes, sort_alone=sort_alone)
    if classes:
        missing = [name for name in classes if name not in names]
        unseen = f"; of these there is no {listed(missing)}" if missing else ""
        return {}, [
            f"{name!r:.80}: expected one of output.labels, {listed(classes)}{unseen}"
            for name in strangers
        ]
    if sort_alone:
        return {name: place for place, name in enumerate(sorted(names))}, []
    return {}, [f"{listed(names)}: names need output.labels in function.toml, or use class indices"]


def _numbered(
    names: Sequence[str], classes: Sequence[str], *, sort_alone: bool
) -> tuple[dict[str, int], list[str]]:
    beyond = [name for name in names if int(name) < 0 or (classes and int(name) >= len(classes))]
    if beyond and not classes:
        return {}, [f"{listed(beyond)}: expected classes from 0"]
    if beyond:
        return {}, [
            f"{name}: expected a class from 0 to {len(classes) - 1}, or one of {listed(classes)}"
            for name in beyond
        ]
    by_text = {name: place for place, name in enumerate(sorted(names))}
    if sort_alone and not classes and any(int(name) != place for name, place in by_text.items()):
        return {}, [
            (
                f"{listed(names)}: by number and by sorted text they are different classes; "
                "name them in output.labels in function.toml, in the order of the model's outputs"
            )
        ]
    return {name: int(name) for name in names}, []


def _named(values: NDArray[np.str_], classes: Sequence[str]) -> Labels:
    names = [str(name) for name in np.unique(values)]
    indices, problems = class_of_names(names, classes)
    if problems:
        return None, [f"{LABEL} {line}" for line in problems]
    return np.array([indices[str(value)] for value in values], np.int64), []


def _indices(values: NDArray[np.generic], classes: Sequence[str]) -> Labels:
    if not values.size:
        return values.astype(np.int64), []
    least, greatest = int(values.min()), int(values.max())
    if least < 0:
        return None, [f"{LABEL}: expected classes from 0, received {least}"]
    last = len(classes) - 1 if classes else np.iinfo(np.int64).max
    if greatest > last:
        return None, [f"{LABEL}: expected classes from 0 to {last}, received {greatest}"]
    return values.astype(np.int64), []


def _numbers(values: NDArray[np.generic]) -> Labels:
    if values.dtype.kind not in "iuf":
        return None, [f"{LABEL}: expected numbers, received {values.dtype} of shape {values.shape}"]
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = values.astype(np.float64)
    bad = int((~np.isfinite(numbers)).sum())
    if bad:
        return None, [f"{LABEL}: {bad} of {numbers.size} values are NaN or infinite"]
    return numbers, []
