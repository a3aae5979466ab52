"""What fine-tuning minimises, found from the form of the labels and of the answers; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A loss, and what it is measured against.

    Attributes:
        kind: `classes` (cross-entropy), `binary` (binary cross-entropy) or `values` (squared error).
        from_logits: The outputs are not probabilities but what a softmax or a sigmoid makes them of.
        targets: For `classes` an int64 array of shape (samples, …) without the classes' axis, which is
            the last; else a float32 array of shape (samples, …) like the outputs.
    """

    kind: Literal["classes", "binary", "values"]
    from_logits: bool
    targets: NDArray[np.generic]


def find_objective(answers: NDArray[np.float32], labels: NDArray[np.generic]) -> Objective:
    """Chooses the loss.

    Integer labels of one output are binary, of several outputs they are classes; floats are values to
    hit. Whether the outputs are probabilities shows in the answers, whichever way the model makes them.

    Args:
        answers: float32 array of shape (answered, …): the model's outputs for some of the samples.
        labels: Array of shape (samples, …) that `require_training_data` let pass.
    """
    shape = (len(labels), *answers.shape[1:])
    if not np.issubdtype(labels.dtype, np.integer):
        targets = labels.astype(np.float32).reshape(shape)
        return Objective(kind="values", from_logits=False, targets=targets)
    outside = bool(answers.min() < 0 or answers.max() > 1)
    if len(shape) == 1 or shape[-1] == 1:
        targets = labels.astype(np.float32).reshape(shape)
        return Objective(kind="binary", from_logits=outside, targets=targets)
    sums_to_one = np.allclose(answers.sum(axis=-1), 1, atol=1e-3)
    targets = labels.astype(np.int64).reshape(shape[:-1])
    return Objective(kind="classes", from_logits=outside or not sums_to_one, targets=targets)


def require_training_data(
    inputs: Mapping[str, NDArray[np.generic]],
    labels: NDArray[np.generic],
    expected: Mapping[str, tuple[int | None, ...]],
    output_shapes: Sequence[tuple[int | None, ...]],
) -> None:
    """Refuses what a model cannot be fine-tuned on, all at once.

    Args:
        inputs: Arrays of shape (samples, …) by input name.
        labels: Integer array of shape (samples,) or (samples, …) without the classes' axis: classes. Or
            floats of the output's shape: values.
        expected: Shape by input name, batch dimension included, None where it is open.
        output_shapes: Of the model's outputs, likewise.

    Raises:
        CalibrationError: `training-invalid`.
    """
    problems = []
    if inputs.keys() != expected.keys():
        problems.append(f"expected the arrays {sorted(expected)}, received {sorted(inputs)}")
    if len(output_shapes) != 1:
        problems.append(f"the model has {len(output_shapes)} outputs; fine-tuning knows one")
    lengths = {name: len(values) for name, values in inputs.items()} | {"label": len(labels)}
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        problems.append(f"the arrays must have one length above 0: {lengths}")
    if len(output_shapes) == 1 and len(labels):
        problems += _label_problems(labels, output_shapes[0])
    problems += [
        f"{name}: expected shape (samples, {_words(shape[1:])}), received {inputs[name].shape}"
        for name, shape in expected.items()
        if name in inputs and not _fits(inputs[name].shape[1:], shape[1:])
    ]
    problems += [
        f"{name}: {int((~np.isfinite(values)).sum())} values are NaN or infinite"
        for name, values in (*inputs.items(), ("label", labels))
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all()
    ]
    if problems:
        raise CalibrationError(
            "training-invalid",
            "the model cannot be fine-tuned on this data",
            problems=problems,
            hint="save training inputs as the model sees them, and their labels: "
            "numpy.savez('training.npz', INPUT=array, label=classes)",
        )


def _label_problems(labels: NDArray[np.generic], output_shape: tuple[int | None, ...]) -> list[str]:
    item, given = output_shape[1:], labels.shape[1:]
    flat = labels.ndim == 1 and item == (1,)  # one value a sample, without an axis of its own
    if np.issubdtype(labels.dtype, np.floating):
        if flat or _fits(given, item):
            return []
        return [f"label: expected floats of shape (samples, {_words(item)}), received {labels.shape}"]
    if not np.issubdtype(labels.dtype, np.integer):
        return [f"label: expected integers or floats, received {labels.dtype}"]
    binary = not item or item[-1] == 1
    if not _fits(given, item[:-1]) and not (binary and _fits(given, item)):
        return [f"label: expected one class for each answer, received shape {labels.shape}"]
    classes = 2 if binary else item[-1]
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        received = f"{labels.min()} to {labels.max()}"
        return [f"label: expected classes 0 to {(classes or 0) - 1}, received {received}"]
    return []


def _fits(given: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(given) == len(expected) and all(
        wanted in {None, size} for size, wanted in zip(given, expected, strict=True)
    )


def _words(shape: tuple[int | None, ...]) -> str:
    return ", ".join("…" if size is None else str(size) for size in shape)
