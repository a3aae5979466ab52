"""How much of a model is pruned at each point of its training, and which weights go; NumPy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

RAMP_END = 0.6
"""Share of the training after which nothing more is pruned, so that what is left has time to settle."""

_LEAST_ELEMENTS = 1024
_LEAST_SHARE = 64

_STEP = 0.01
"""Masks are made anew each time that a hundredth of the weights is to go: sorting them costs time."""


def sparsity_at(progress: float, target: float, *, begin: float = 0.0, end: float = RAMP_END) -> float:
    """The cubic ramp: much is pruned early, where it is redundant, and less and less towards the end.

    Zhu and Gupta 2017, equation 1, from a sparsity of 0 (https://arxiv.org/abs/1710.01878).

    Args:
        progress: Share of the training that is done, 0-1.
        target: Share of the weights that are zero at the end, 0-1.
        begin: Share of the training before which nothing is pruned.
        end: Share of the training after which the sparsity stays at its target.

    Returns:
        Share of the weights that are zero at this point, 0 to `target`.
    """
    if progress >= end:
        return target
    if progress < begin:
        return 0.0
    return target * (1 - (1 - (progress - begin) / (end - begin)) ** 3)


class Ramp:
    """Tells a training loop when its masks must be made anew.

    Args:
        target: Share of the weights that are zero at the end, from 0, below 1.
        begin: See `sparsity_at`.
        end: See `sparsity_at`.

    Raises:
        ConfigurationError: `sparsity-invalid`.
    """

    def __init__(self, target: float, *, begin: float = 0.0, end: float = RAMP_END) -> None:
        require_sparsity(target)
        if not 0 <= begin < end <= 1:
            raise ConfigurationError(
                "sparsity-invalid",
                "the time in which weights are pruned is not a part of the training",
                expected="0 <= begin < end <= 1",
                received=f"begin {begin!r}, end {end!r}",
                hint="leave both out",
            )
        self.target = target
        self.current = 0.0
        self._begin = begin
        self._end = end

    def due(self, progress: float) -> float | None:
        """The sparsity for which masks are due; None while the present ones will do."""
        wanted = sparsity_at(progress, self.target, begin=self._begin, end=self._end)
        finished = wanted == self.target != self.current
        if not finished and wanted < self.current + _STEP:
            return None
        self.current = wanted
        return wanted


def require_sparsity(sparsity: float) -> None:
    """Refuses what is no share of weights that may go.

    Raises:
        ConfigurationError: `sparsity-invalid`.
    """
    if not 0 <= sparsity < 1:
        raise ConfigurationError(
            "sparsity-invalid",
            "weights cannot be pruned to this sparsity",
            expected="a share of the weights, from 0, below 1",
            received=repr(sparsity),
            hint="0.8 is safe for most models, 0.9 for most after fine-tuning",
        )


def least_prunable(sizes: Iterable[int]) -> int:
    """How many elements a kernel must have to be pruned, so that a model's small layers stay whole.

    They have nothing to give, and most to lose: with the first and the last layer of the digits model,
    1,728 weights of 167,562, pruned as well, accuracy at 95 % sparsity fell by 2 points (decision
    record 11).

    Args:
        sizes: Elements of each kernel of the model, depthwise convolutions left out.

    Returns:
        A 64th of the largest kernel, at least 1,024.
    """
    return max(_LEAST_ELEMENTS, max(sizes, default=0) // _LEAST_SHARE)


def magnitude_mask(values: NDArray[np.floating], sparsity: float) -> NDArray[np.bool_]:
    """Which weights stay: all but the smallest.

    Args:
        values: float array of any shape.
        sparsity: Share of it that goes, from 0, below 1.

    Returns:
        bool array of the same shape, False at exactly `pruned_count` places. Of weights of equal
        magnitude those that stand first go first, so the same weights give the same mask.
    """
    kept = np.ones(values.size, np.bool_)
    count = pruned_count(values.size, sparsity)
    if count:
        magnitude = np.abs(values).ravel()
        greatest = np.partition(magnitude, count - 1)[count - 1]
        smaller = magnitude < greatest
        kept[smaller] = False
        ties = np.flatnonzero(magnitude == greatest)
        kept[ties[: count - int(smaller.sum())]] = False
    return kept.reshape(values.shape)


def pruned_count(size: int, sparsity: float) -> int:
    """How many of so many weights are zero at a sparsity, never fewer than it says."""
    return int(np.ceil(size * sparsity - 1e-6))  # 0.7 × 10 is a hair more than 7
