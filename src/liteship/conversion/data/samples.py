"""What data is while it is read, and what it is afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from liteship.artifact import Preprocessing, TensorSpec

Purpose = Literal["calibration", "evaluation", "fine-tune"]
"""What data is for; begins the references of its errors."""

Arrays = dict[str, NDArray[np.generic]]

Pictures = Sequence[NDArray[np.uint8]]
"""Pictures of different sizes, each uint8 of shape (height, width[, 3])."""

Samples = NDArray[np.generic] | Pictures
"""One input's samples: an array of shape (samples, …), or pictures of different sizes."""

LABEL = "label"
"""Name of the array or column that holds the labels."""

MAX_BYTES = 4 * 1024**3
"""Held in memory at most, far above what a calibration needs: more ends in the kernel's SIGKILL on a
small machine, which nobody can explain."""

_MOST_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Held-out samples as callers send them.

    Attributes:
        inputs: By input name: uint8 pictures, values 0-255, as an array of shape (samples, height,
            width[, channels]) or, where they differ in size, a sequence of arrays of shape (height,
            width[, 3]) that may read each from its file when it is asked for; or tensors of the
            input's dtype of shape (samples, …).
        labels: int64 array of shape (samples,), class indices; or float64 array of shape (samples, …),
            what a regression should answer.
    """

    inputs: Mapping[str, Samples]
    labels: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Samples for fine-tuning, as the model sees them.

    Attributes:
        inputs: By input name: arrays of shape (samples, …) in the input's dtype, pictures normalised.
        labels: As `Evaluation.labels`.
    """

    inputs: Arrays
    labels: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is to be read, for which model.

    Attributes:
        purpose: What the data is for; all but calibration has labels.
        specs: The float model's inputs.
        preprocessing: From request to tensor.
        classes: Names of the classes in the order of the model's outputs; empty if it has no names.
        classification: Whether labels are classes; else they are numbers.
        samples: Number of samples wanted at most; None for all.
        seed: Of the random choice where there are more.
        folder: Where the module of a `module:callable` may be, besides the current folder.
    """

    purpose: Purpose
    specs: Sequence[TensorSpec]
    preprocessing: Preprocessing
    classes: Sequence[str] = ()
    classification: bool = True
    samples: int | None = None
    seed: int = 7
    folder: Path | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether labels are read."""
        return self.purpose != "calibration"

    @property
    def takes_pictures(self) -> bool:
        """Whether samples are pictures as callers send them, not what the model sees."""
        return self.is_labelled and self.preprocessing.kind == "image"

    @property
    def names(self) -> list[str]:
        """The inputs' names."""
        return [spec.name for spec in self.specs]


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What a file held, not yet checked against the model.

    Attributes:
        inputs: By name.
        labels: As they stand there: integers, numbers or names; None where there are none.
        problems: What could not be read, a line each.
    """

    inputs: Mapping[str, Samples]
    labels: NDArray[np.generic] | None = None
    problems: Sequence[str] = field(default=())


def choose(count: int, samples: int | None, seed: int) -> NDArray[np.intp] | None:
    """A random choice without replacement: the same count and seed give the same one.

    Returns:
        Ascending indices; None where all are taken.
    """
    if samples is None or count <= samples:
        return None
    chosen = np.random.default_rng(seed).choice(count, samples, replace=False)
    return np.sort(chosen).astype(np.intp)


def shortened(lines: Sequence[str]) -> list[str]:
    """The first few lines, and how many more there are: a folder may hold thousands of broken files."""
    more = len(lines) - _MOST_LINES
    return [*lines] if more <= 0 else [*lines[:_MOST_LINES], f"… and {more} more of the kind"]


def listed(names: Iterable[object]) -> str:
    """Names with commas, shortened."""
    return ", ".join(shortened([str(name) for name in names]))


def require_size(size_bytes: int, source: object, purpose: Purpose) -> None:
    """Refuses what would not fit.

    Raises:
        CalibrationError: `…-too-large`.
    """
    if size_bytes > MAX_BYTES:
        raise CalibrationError(
            f"{purpose}-too-large",
            f"{source} holds more than is read into memory at once",
            expected=f"at most {MAX_BYTES:,} bytes of {purpose} data, uncompressed",
            received=f"at least {size_bytes:,} bytes",
            hint="save fewer samples, chosen at random: 200 calibrate, a few thousand measure",
        )


def unreadable(source: object, purpose: Purpose, form: str, reason: str, hint: str) -> CalibrationError:
    """A file that is not what its name says."""
    return CalibrationError(
        f"{purpose}-unreadable", f"{source} cannot be read as {form}: {reason:.300}", hint=hint
    )


def as_text(path: object) -> str:
    """A path that can be printed, whatever bytes its name has."""
    return str(path).encode("utf-8", "replace").decode()
