"""What "accuracy" means for a model: a number from outputs and labels, and which way is better."""

from __future__ import annotations

import importlib
import math
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.errors import CalibrationError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Outputs = NDArray[np.float32]
    Labels = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to judge outputs.

    Attributes:
        name: As the user wrote it.
        higher_is_better: False for errors.
        classes: Whether labels are class indices.
        compute: Outputs of shape (samples, …) and labels of shape (samples, …) in, a number out.
    """

    name: str
    higher_is_better: bool
    classes: bool
    compute: Callable[[Outputs, Labels], float]

    def loss(self, source: float, artifact: float) -> float:
        """What the conversion lost, in the metric's own unit; negative if it gained."""
        return source - artifact if self.higher_is_better else artifact - source


def accuracy(outputs: Outputs, labels: Labels) -> float:
    """Share of samples whose greatest output is the label's, 0-1."""
    return float((_scores(outputs).argmax(axis=-1) == labels).mean())


def top5(outputs: Outputs, labels: Labels) -> float:
    """Share of samples whose label is among the five greatest outputs, 0-1."""
    best = np.argsort(-_scores(outputs), axis=-1, kind="stable")[:, :5]
    return float((best == labels[:, None]).any(axis=-1).mean())


def mae(outputs: Outputs, labels: Labels) -> float:
    """Mean absolute error."""
    return float(np.abs(_differences(outputs, labels)).mean())


def mse(outputs: Outputs, labels: Labels) -> float:
    """Mean squared error."""
    return float((_differences(outputs, labels) ** 2).mean())


METRICS: dict[str, Metric] = {
    "accuracy": Metric(name="accuracy", higher_is_better=True, classes=True, compute=accuracy),
    "top5": Metric(name="top5", higher_is_better=True, classes=True, compute=top5),
    "mae": Metric(name="mae", higher_is_better=False, classes=False, compute=mae),
    "mse": Metric(name="mse", higher_is_better=False, classes=False, compute=mse),
}


def metric_named(name: str, folder: str | None = None) -> Metric:
    """A metric of ours, or a user's own as `module:callable`.

    The callable gets outputs (float32 of shape (samples, …)) and labels, and returns a number of which
    more is better; labels are classes where they are integers.

    Args:
        name: A key of `METRICS`, or `module:callable`.
        folder: Where its module may be, beside the working directory.

    Raises:
        ConfigurationError: `metric-unknown`.
    """
    if name in METRICS:
        return METRICS[name]
    module_name, colon, attribute = name.partition(":")
    try:
        function: Any = getattr(_import(module_name, folder), attribute) if colon else None
    except Exception as error:  # a module raises whatever it does when imported
        raise _unknown(name, f"{type(error).__name__}: {error}") from error
    if not callable(function):
        raise _unknown(name, "no such metric" if not colon else f"{attribute} cannot be called")
    return Metric(
        name=name,
        higher_is_better=True,
        classes=False,
        compute=lambda *both: _own(name, function, *both),
    )


def _own(name: str, function: Callable[..., Any], outputs: Outputs, labels: Labels) -> float:
    try:
        value = float(function(outputs, labels))
    except Exception as error:
        raise CalibrationError(
            "metric-fails",
            f"the metric {name} failed: {type(error).__name__}: {error}",
            expected="a number from (outputs, labels)",
            hint="call it with arrays of your own first",
        ) from error
    if not math.isfinite(value):
        raise CalibrationError(
            "metric-fails",
            f"the metric {name} gave {value}",
            expected="a finite number",
            hint="look for a division by zero in it",
        )
    return value


def _import(module: str, folder: str | None) -> Any:
    places = [place for place in (folder, os.getcwd()) if place and place not in sys.path]
    sys.path[:0] = places
    try:
        return importlib.import_module(module)
    finally:
        for place in places:
            sys.path.remove(place)


def _unknown(name: str, received: str) -> ConfigurationError:
    return ConfigurationError(
        "metric-unknown",
        f"there is no metric {name}",
        expected=f"{', '.join(METRICS)}, or module:callable",
        received=received,
        hint="write the callable as module:name, with its module in the working directory",
    )


def _scores(outputs: Outputs) -> Outputs:
    return outputs.reshape(len(outputs), -1)


def _differences(outputs: Outputs, labels: Labels) -> NDArray[np.float64]:
    flat = _scores(outputs).astype(np.float64)
    wanted = labels.reshape(len(labels), -1).astype(np.float64)
    if flat.shape != wanted.shape:
        raise CalibrationError(
            "evaluation-invalid",
            "the labels have another shape than the model's outputs",
            expected=f"shape {outputs.shape}",
            received=f"shape {labels.shape}",
            hint="give one value an output; for classes, use --metric accuracy",
        )
    return flat - wanted
