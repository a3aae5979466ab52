"""Data of any form, checked against the model's inputs and converted to their dtypes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

import numpy as np

from liteship.conversion.data.classes import read_labels
from liteship.conversion.data.pictures import PictureFiles, picture_input_problems
from liteship.conversion.data.references import read
from liteship.conversion.data.samples import LABEL, Evaluation, Query, Training, choose, require_size
from liteship.conversion.data.tensors import constant_problems, model_input, picture_array
from liteship.conversion.reference import normalized_inputs
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from liteship.artifact import Preprocessing, TensorSpec
    from liteship.conversion.data.references import DataReference
    from liteship.conversion.data.samples import Arrays, Purpose, Raw, Samples

_FAILED: dict[Purpose, tuple[str, str]] = {
    "calibration": ("cannot calibrate this model", "normalised as the model sees them"),
    "evaluation": ("cannot measure this model", "as callers send them, with labels"),
    "fine-tune": ("cannot fine-tune this model", "as callers send them, with labels"),
}
"""What cannot be done, and what samples are needed for it."""


def load_calibration(
    reference: DataReference,
    specs: Sequence[TensorSpec],
    preprocessing: Preprocessing,
    *,
    samples: int | None = 200,
    seed: int = 7,
    folder: Path | None = None,
) -> Arrays:
    """Reads a representative data set and checks it against the model's inputs.

    Args:
        reference: A path, or `module:callable`.
        specs: The float model's inputs.
        preprocessing: How pictures of a folder become what the model sees.
        samples: Most samples; of more, this many are chosen at random without replacement, the same
            ones for the same data and seed. None for all.
        seed: Of that choice.
        folder: Where the module may be, besides the current folder.

    Returns:
        By input name, what the model sees: arrays of shape (samples, …) in the input's dtype, all of
        one length.

    Raises:
        CalibrationError: `calibration-invalid` with every problem found, or as `check_reference`.
    """
    query = Query(
        purpose="calibration",
        specs=specs,
        preprocessing=preprocessing,
        samples=samples,
        seed=seed,
        folder=folder,
    )
    raw = _read(reference, query)
    problems = [*raw.problems, *_name_problems(raw, query), *_length_problems(raw.inputs, None)]
    arrays = _normalized(raw.inputs, query, problems) if _holds_files(raw.inputs) else raw.inputs
    checked: Arrays = {}
    for spec in specs:
        array = arrays.get(spec.name)
        if isinstance(array, np.ndarray) and _count(array):
            converted, found = model_input(array, spec, preprocessing)
            problems += found
            if converted is not None:
                checked[spec.name] = converted
    if not problems:
        checked, _ = _chosen(checked, None, query)
        problems = [line for spec in specs for line in constant_problems(checked[spec.name], spec)]
    _require(problems, reference, query.purpose)
    return checked


def load_evaluation(  # noqa: PLR0913  # most have a default
    reference: DataReference,
    specs: Sequence[TensorSpec],
    preprocessing: Preprocessing,
    *,
    labels: Sequence[str] = (),
    classification: bool = True,
    samples: int | None = None,
    seed: int = 7,
    folder: Path | None = None,
) -> Evaluation:
    """Reads held-out samples, as callers send them, with their labels.

    Args:
        reference: A path, or `module:callable`.
        specs: The float model's inputs.
        preprocessing: Tells whether callers send pictures or tensors.
        labels: The function's `output.labels`, for data that names its classes.
        classification: Whether the labels are classes; else they are numbers.
        samples: As `load_calibration`.
        seed: As `load_calibration`.
        folder: As `load_calibration`.

    Raises:
        CalibrationError: `evaluation-invalid` with every problem found, or as `check_reference`.
    """
    query = Query(
        purpose="evaluation",
        specs=specs,
        preprocessing=preprocessing,
        classes=labels,
        classification=classification,
        samples=samples,
        seed=seed,
        folder=folder,
    )
    return _labelled(reference, query)


def load_training(  # noqa: PLR0913  # as above
    reference: DataReference,
    specs: Sequence[TensorSpec],
    preprocessing: Preprocessing,
    *,
    labels: Sequence[str] = (),
    classification: bool = True,
    samples: int | None = None,
    seed: int = 7,
    folder: Path | None = None,
) -> Training:
    """Reads samples for fine-tuning: the forms of evaluation data, given as the model sees them.

    Args:
        reference: A path, or `module:callable`.
        specs: The float model's inputs.
        preprocessing: How pictures become what the model sees.
        labels: As `load_evaluation`.
        classification: As `load_evaluation`.
        samples: As `load_calibration`.
        seed: As `load_calibration`.
        folder: As `load_calibration`.

    Raises:
        CalibrationError: `fine-tune-invalid` with every problem found, or as `check_reference`.
    """
    query = Query(
        purpose="fine-tune",
        specs=specs,
        preprocessing=preprocessing,
        classes=labels,
        classification=classification,
        samples=samples,
        seed=seed,
        folder=folder,
    )
    if not query.takes_pictures:
        labelled = _labelled(reference, query)
        return Training(inputs=cast("Arrays", labelled.inputs), labels=labelled.labels)
    _require(picture_input_problems(query), reference, query.purpose)
    labelled = _labelled(reference, query)
    problems: list[str] = []
    inputs = _normalized(labelled.inputs, query, problems)
    _require(problems, reference, query.purpose)
    return Training(inputs=inputs, labels=labelled.labels)


def _read(reference: DataReference, query: Query) -> Raw:
    if query.samples is not None and query.samples < 1:
        raise CalibrationError(
            f"{query.purpose}-samples",
            f"{query.samples} samples cannot be taken",
            expected="at least 1",
            hint="correct --samples",
        )
    return read(reference, query)


def _labelled(reference: DataReference, query: Query) -> Evaluation:
    raw = _read(reference, query)
    problems = [*raw.problems, *_name_problems(raw, query), *_length_problems(raw.inputs, raw.labels)]
    labels = None
    if raw.labels is not None and _count(raw.labels):
        labels, found = read_labels(raw.labels, query)
        problems += found
    checked: dict[str, Samples] = {}
    for spec in query.specs:
        values = raw.inputs.get(spec.name)
        if values is None or not _count(values):
            continue
        if not isinstance(values, np.ndarray):
            if isinstance(values, PictureFiles) and query.purpose == "evaluation":
                deque(values.decoded(problems), maxlen=0)
            checked[spec.name] = values
            continue
        converted, found = (
            picture_array(values, spec)
            if query.takes_pictures
            else model_input(values, spec, query.preprocessing)
        )
        problems += found
        if converted is not None:
            checked[spec.name] = converted
    _require(problems, reference, query.purpose)
    inputs, labels = _chosen(checked, labels, query)
    return Evaluation(inputs=inputs, labels=cast("NDArray[Any]", labels))


def _normalized(inputs: Mapping[str, Samples], query: Query, problems: list[str]) -> Arrays:
    """Pictures as the model sees them, one after the other: decoded, they would fill the memory."""
    (name,), (pictures,) = query.names, inputs.values()
    size_bytes = query.specs[0].size_bytes * len(pictures)
    require_size(size_bytes, "what the model sees", query.purpose)
    nothing = np.zeros(0, np.int64)
    decoded = pictures.decoded(problems) if isinstance(pictures, PictureFiles) else pictures
    rows = [
        normalized_inputs(
            Evaluation(inputs={name: [picture]}, labels=nothing), query.specs, query.preprocessing
        )[name]
        for picture in decoded
    ]
    return {name: np.concatenate(rows)} if rows else {}


def _holds_files(inputs: Mapping[str, Samples]) -> bool:
    return any(isinstance(values, PictureFiles) for values in inputs.values())


def _name_problems(raw: Raw, query: Query) -> list[str]:
    """Where something could not be read, what is missing has been said."""
    expected, received = set(query.names), set(raw.inputs)
    if query.is_labelled:
        expected.add(LABEL)
        received |= {LABEL} if raw.labels is not None else set()
    if expected == received or raw.problems:
        return []
    return [f"expected the arrays {sorted(expected)}, received {sorted(received)}"]


def _length_problems(inputs: Mapping[str, Samples], labels: NDArray[np.generic] | None) -> list[str]:
    lengths = {name: _count(values) for name, values in inputs.items()}
    if labels is not None:
        lengths[LABEL] = _count(labels)
    problems = [f"{name}: holds no samples" for name, length in lengths.items() if not length]
    if len(set(lengths.values())) > 1:
        problems.append(f"the arrays differ in length: {lengths}")
    return problems


def _count(values: Samples) -> int:
    return 0 if isinstance(values, np.ndarray) and values.ndim == 0 else len(values)


def _chosen(
    inputs: Mapping[str, Any], labels: NDArray[np.generic] | None, query: Query
) -> tuple[dict[str, Any], NDArray[np.generic] | None]:
    """A random part of what was read whole; readers of single samples have chosen before."""
    chosen = choose(len(next(iter(inputs.values()))), query.samples, query.seed)
    if chosen is None:
        return dict(inputs), labels
    # A list is one of pictures, which a callable gave: no more than were wanted
    parts = {name: each[chosen] for name, each in inputs.items()}
    return parts, None if labels is None else labels[chosen]


def _require(problems: Sequence[str], reference: DataReference, purpose: Purpose) -> None:
    if problems:
        failure, needed = _FAILED[purpose]
        raise CalibrationError(
            f"{purpose}-invalid",
            f"{reference} {failure}",
            problems=problems,
            hint=f"save real samples, {needed}: docs/guides/calibration-data.md has the forms",
        )
