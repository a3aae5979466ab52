"""How rounds that were measured in turn compare."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def median_ratio(values: Iterable[float], floor: Iterable[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(ours / base for ours, base in zip(values, floor, strict=True))
