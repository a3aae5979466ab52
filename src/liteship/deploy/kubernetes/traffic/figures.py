"""What a Revision's Pods counted in a span of time, from what each said of itself now and then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.traffic.exposition import Samples

# liteship.runtime.metrics names them
REQUESTS = "liteship_requests_total"
LATENCY_BUCKETS = "liteship_request_duration_seconds_bucket"
PREDICTIONS = "liteship_predictions_total"
LOW_CONFIDENCE = "liteship_low_confidence_total"
COUNTERS = frozenset({REQUESTS, LATENCY_BUCKETS, PREDICTIONS, LOW_CONFIDENCE})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one version did in a span of time.

    Attributes:
        requests: Answered ones; health questions and scrapes are none.
        errors: Share answered with a status from 500 on, 0 to 1; None without requests.
        p99_ms: The time within which 99 of 100 requests were answered; None without requests.
        predictions: Made.
        low_confidence: Share of the predictions whose best score was low, 0 to 1; None without any.
    """

    requests: int
    errors: float | None
    p99_ms: float | None
    predictions: int
    low_confidence: float | None


class Increases:
    """Sums what the counters of a Revision's Pods grew by since the first scrape.

    What a Pod answered between its last scrape and its end is lost with it, as it is for Prometheus.
    """

    def __init__(self) -> None:
        self.total: Samples = {}
        self._last: dict[str, Samples | None] = {}
        self._first = True

    def add(self, scrape: Mapping[str, Samples | None]) -> None:
        """Takes in one scrape.

        Args:
            scrape: What each Pod said, by its UID; None where it did not answer, which says nothing
                about what it counted.
        """
        for pod, samples in scrape.items():
            if samples is None:
                if self._first:
                    self._last[pod] = None  # it was there before: what it counted by then is not ours
                continue
            counted = {series: value for series, value in samples.items() if series[0] in COUNTERS}
            before = self._last.get(pod, {})
            if not self._first and before is not None:
                for series, grown in _grown(before, counted).items():
                    self.total[series] = self.total.get(series, 0) + grown
            self._last[pod] = counted
        self._first = False


def _grown(before: Samples, now: Samples) -> Samples:
    """What each counter grew by; all of it where any shrank or is gone: the process is another one."""
    if any(now.get(series, -1) < value for series, value in before.items()):
        return now
    return {series: value - before.get(series, 0) for series, value in now.items()}


def figures(now: Samples, before: Samples) -> Figures:
    """What was counted between two moments.

    Args:
        now: An `Increases.total`.
        before: A copy of the same of earlier.
    """
    grown = {series: value - before.get(series, 0) for series, value in now.items()}
    requests = _sum(grown, REQUESTS)
    failed = sum(
        value
        for (name, labels), value in grown.items()
        if name == REQUESTS and dict(labels).get("status", "").startswith("5")
    )
    predictions = _sum(grown, PREDICTIONS)
    p99_s = quantile(_buckets(grown), 0.99)
    return Figures(
        requests=round(requests),
        errors=failed / requests if requests else None,
        p99_ms=None if p99_s is None else round(p99_s * 1000, 3),
        predictions=round(predictions),
        low_confidence=_sum(grown, LOW_CONFIDENCE) / predictions if predictions else None,
    )


def _sum(samples: Samples, name: str) -> float:
    return sum(value for series, value in samples.items() if series[0] == name)


def _buckets(samples: Samples) -> dict[float, float]:
    buckets: dict[float, float] = {}
    for (name, labels), value in samples.items():
        if name == LATENCY_BUCKETS:
            bound = float(dict(labels)["le"])
            buckets[bound] = buckets.get(bound, 0) + value
    return buckets


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which this share of the observations lies, as `histogram_quantile` estimates it.

    Observations count as spread evenly over their bucket; of those above the last bound it is only
    known that they are above it, so it is that bound
    (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).

    Args:
        buckets: Count of the observations up to each upper bound; the last one is infinity.
        share: 0 to 1.

    Returns:
        In the bounds' unit; None without observations.
    """
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = share * buckets[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return lower
            within = buckets[bound] - below
            return lower + (bound - lower) * (rank - below) / within if within else lower
        lower, below = bound, buckets[bound]
    return lower
