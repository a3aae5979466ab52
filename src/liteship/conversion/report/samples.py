"""Picks the samples that a person should look at, and shows each as a picture or a table's row."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.reference import to_picture
from liteship.conversion.report.parts import ChangedSample, ChangedSamples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.conversion.data import Samples as Values

    Arrays = Mapping[str, Values]

WORST = 24
THUMBNAIL_PIXELS = 96
FEATURES = 32
"""Columns shown of a table's row."""


def changed_samples(
    source: NDArray[np.floating],
    artifact: NDArray[np.floating],
    *,
    classes: Sequence[str],
    labels: NDArray[np.integer] | None = None,
    inputs: Arrays | None = None,
    columns: Sequence[str] = (),
) -> ChangedSamples:
    """The samples whose class the conversion changed; those that became wrong come first.

    Args:
        source: The source's scores, float32 array of shape (samples, classes).
        artifact: The artifact's, of the same shape.
        classes: Names of the classes; one beyond them is named by its number.
        labels: What they are, array of shape (samples,), or None.
        inputs: What callers send, by input name: uint8 pictures of shape (samples, height, width
            [, 1 or 3]) or tables of shape (samples, columns).
        columns: Names of the tables' columns; one beyond them is named by input and number.
    """
    before, after = source.argmax(axis=-1), artifact.argmax(axis=-1)
    differences = _differences(source, artifact)
    changed = np.flatnonzero(before != after)
    became_wrong = np.zeros(len(source)) if labels is None else before == labels
    # By loss, then by difference, then by place: lexsort's last key is its first.
    worst = changed[np.lexsort((changed, -differences[changed], ~became_wrong[changed].astype(bool)))]
    found = []
    for index in (int(each) for each in worst[:WORST]):
        label = None if labels is None else int(labels[index])
        found.append(
            ChangedSample(
                index=index,
                label=None if label is None else _name(classes, label),
                source=_name(classes, int(before[index])),
                artifact=_name(classes, int(after[index])),
                difference=float(differences[index]),
                was_right=None if label is None else label == before[index].item(),
                is_right=None if label is None else label == after[index].item(),
                thumbnail=_thumbnail(inputs or {}, index),
                features=_features(inputs or {}, index, columns),
            )
        )
    return ChangedSamples(kind="class", samples=len(source), changed=len(changed), worst=tuple(found))


def moved_samples(
    source: NDArray[np.floating],
    artifact: NDArray[np.floating],
    *,
    labels: NDArray[np.generic] | None = None,
    inputs: Arrays | None = None,
    columns: Sequence[str] = (),
) -> ChangedSamples:
    """The samples whose values the conversion moved most, of a model without classes.

    Args:
        source: The source's values, float32 array of shape (samples, …).
        artifact: The artifact's, of the same shape.
        labels: What they should be, array of shape (samples, …), or None.
        inputs: As of `changed_samples`.
        columns: As of `changed_samples`.
    """
    differences = _differences(source, artifact)
    worst = np.lexsort((np.arange(len(source)), -differences))
    found = [
        ChangedSample(
            index=index,
            label=None if labels is None else _number(labels[index]),
            source=_number(source[index]),
            artifact=_number(artifact[index]),
            difference=float(differences[index]),
            thumbnail=_thumbnail(inputs or {}, index),
            features=_features(inputs or {}, index, columns),
        )
        for index in (int(each) for each in worst[:WORST])
        if differences[index] > 0
    ]
    moved = int((differences > 0).sum())
    return ChangedSamples(kind="value", samples=len(source), changed=moved, worst=tuple(found))


def thumbnail(picture: NDArray[np.generic]) -> str:
    """A picture as `data:image/png;base64,…`, at most 96 pixels wide and high.

    Args:
        picture: uint8 array of shape (height, width[, 1 or 3]), values 0-255.
    """
    image = to_picture(picture)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _differences(source: NDArray[np.floating], artifact: NDArray[np.floating]) -> NDArray[np.float64]:
    """Greatest absolute difference of each sample; infinite where a value is not finite."""
    shape = (len(source), -1)
    apart = artifact.reshape(shape).astype(np.float64) - source.reshape(shape).astype(np.float64)
    greatest: NDArray[np.float64] = np.abs(apart).max(axis=1)
    return np.nan_to_num(greatest, nan=np.inf)


def _thumbnail(inputs: Arrays, index: int) -> str | None:
    for values in inputs.values():
        picture = np.asarray(values[index])
        grey, colored = picture.ndim == 2, picture.ndim == 3 and picture.shape[2] in {1, 3}
        if picture.dtype == np.uint8 and (grey or colored):
            return thumbnail(picture)
    return None


def _features(inputs: Arrays, index: int, columns: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name, values in inputs.items():
        row = np.atleast_1d(values[index])
        if row.ndim == 1:
            numbered = (f"{name}[{place}]" if row.size > 1 else name for place in range(row.size))
            named = columns if len(inputs) == 1 and len(columns) == row.size else numbered
            found += [(column, _number(value)) for column, value in zip(named, row, strict=True)]
    return tuple(found[:FEATURES])


def _name(classes: Sequence[str], number: int) -> str:
    return classes[number] if 0 <= number < len(classes) else str(number)


def _number(value: NDArray[np.generic] | np.generic) -> str:
    """Numbers as a person reads them; of many, the first ones."""
    numbers = [f"{each:.5g}" if isinstance(each, float) else str(each) for each in _first(value)]
    return ", ".join(numbers) + (", …" if np.size(value) > len(numbers) else "")


def _first(value: NDArray[np.generic] | np.generic) -> list[object]:
    first: list[object] = np.ravel(value)[:4].tolist()
    return first
