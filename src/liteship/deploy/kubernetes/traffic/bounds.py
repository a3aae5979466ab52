"""Whether a new version does well enough to get more traffic: its figures against what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.deploy.kubernetes.traffic.figures import Figures

MORE_ERRORS = 0.01
"""Share of all requests by which errors may be more than the stable version's."""

SLOWER = 1.5
"""Times the stable version's p99."""

SLOWER_MS = 10.0
"""More than the stable version's p99, whatever that is: of fast answers the histogram's buckets, each 2
to 2.5 times the one before, cannot tell half as slow again from the same."""

MORE_LOW_CONFIDENCE = 0.10
"""Share of all predictions by which those of low confidence may be more than the stable version's."""

P99_REQUESTS = 50
"""Below so many requests the slowest one alone is the p99."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a new version is held to.

    Attributes:
        min_requests: What it must have answered in a step before it is judged, and so must the stable
            version where it is the measure.
        max_errors: Share of requests answered with 5xx, 0 to 1; None: `MORE_ERRORS` more than stable.
        max_p99_ms: None: `SLOWER` times, or `SLOWER_MS` more than stable.
        max_low_confidence: Share of predictions, 0 to 1; None: `MORE_LOW_CONFIDENCE` more than stable.
    """

    min_requests: int = 50
    max_errors: float | None = None
    max_p99_ms: float | None = None
    max_low_confidence: float | None = None

    @property
    def need_stable(self) -> bool:
        """Whether the stable version is the measure of anything."""
        return None in (self.max_errors, self.max_p99_ms, self.max_low_confidence)


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A bound that a version does not keep.

    Attributes:
        bound: `errors`, `p99_ms` or `low_confidence`.
        measured: In the bound's unit: a share, or milliseconds.
        allowed: The same.
        stable: What the stable version has, where it is the measure.
    """

    bound: str
    measured: float
    allowed: float
    stable: float | None

    def __str__(self) -> str:
        what = {"errors": "errors", "p99_ms": "p99 latency", "low_confidence": "low confidence"}
        stable = "" if self.stable is None else f" (stable: {self._said(self.stable)})"
        measured, allowed = self._said(self.measured), self._said(self.allowed)
        return f"{what[self.bound]} {measured}, allowed {allowed}{stable}"

    def _said(self, value: float) -> str:
        return f"{value:.4g} ms" if self.bound == "p99_ms" else f"{value * 100:.3g} %"


def missing_requests(new: Figures, stable: Figures, bounds: Bounds) -> str:
    """What there is too little of to judge; empty where there is enough."""
    for who, figures in [("new", new), *([("stable", stable)] if bounds.need_stable else [])]:
        if figures.requests < bounds.min_requests:
            return f"the {who} version answered {figures.requests} of {bounds.min_requests} requests"
    return ""


def breaches(new: Figures, stable: Figures, bounds: Bounds) -> list[Breach]:
    """The bounds that a version does not keep; what was not measured breaks none.

    Args:
        new: The version to judge.
        stable: The one before, in the same span of time.
        bounds: What is allowed.
    """
    return [each for each in _judged(new, stable, bounds) if each.measured > each.allowed]


def _judged(new: Figures, stable: Figures, bounds: Bounds) -> Iterator[Breach]:
    slower = None if stable.p99_ms is None else max(stable.p99_ms * SLOWER, stable.p99_ms + SLOWER_MS)
    p99_ms = new.p99_ms if new.requests >= P99_REQUESTS else None
    for bound, measured, fixed, relative, measure in (
        ("errors", new.errors, bounds.max_errors, _more(stable.errors, MORE_ERRORS), stable.errors),
        ("p99_ms", p99_ms, bounds.max_p99_ms, slower, stable.p99_ms),
        (
            "low_confidence",
            new.low_confidence,
            bounds.max_low_confidence,
            _more(stable.low_confidence, MORE_LOW_CONFIDENCE),
            stable.low_confidence,
        ),
    ):
        allowed = relative if fixed is None else fixed
        if measured is not None and allowed is not None:
            yield Breach(
                bound=bound,
                measured=measured,
                allowed=allowed,
                stable=measure if fixed is None else None,
            )


def _more(stable: float | None, by: float) -> float | None:
    return None if stable is None else stable + by
