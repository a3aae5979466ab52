"""How a report writes numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = "—"
"""Stands where nothing was measured, or what was is no number."""


def size(count: int | None) -> str:
    """Bytes as a person reads them, in the binary units that Lambda's limits are in."""
    if count is None:
        return NOTHING
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):  # read below
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:,.0f} B" if unit == "B" else f"{value:,.{1 if value < 100 else 0}f} {unit}"


def percent(share: float | None) -> str:
    """A share between 0 and 1; a tiny one does not become 0."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return "< 0.01 %" if 0 < share < 0.0001 else f"{share * 100:.2f} %"


def number(value: float | None) -> str:
    """A number with four digits that mean something."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.4g}"


def milliseconds(value: float | None) -> str:
    """Milliseconds, or microseconds where there would be no digit left."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value * 1000:.0f} µs" if value < 0.1 else f"{value:.3g} ms"


def decibel(value: float | None) -> str:
    """A ratio in dB, to one digit."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.1f} dB"


FILTERS: dict[str, Callable[[Any], str]] = {
    "decibel": decibel,
    "milliseconds": milliseconds,
    "number": number,
    "percent": percent,
    "size": size,
}
"""By their name in templates."""
