"""A new version's figures against what is allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liteship.deploy.kubernetes.traffic.bounds import (
    MORE_ERRORS,
    MORE_LOW_CONFIDENCE,
    SLOWER,
    SLOWER_MS,
    Bounds,
    breaches,
    missing_requests,
)
from liteship.deploy.kubernetes.traffic.figures import Figures

FINE = Figures(requests=1000, errors=0.02, p99_ms=100.0, predictions=1000, low_confidence=0.05)
NOTHING = Figures(requests=0, errors=None, p99_ms=None, predictions=0, low_confidence=None)
FIXED = Bounds(max_errors=0.01, max_p99_ms=50, max_low_confidence=0.2)


def broken(new: Figures, stable: Figures = FINE, bounds: Bounds | None = None) -> list[str]:
    return [each.bound for each in breaches(new, stable, bounds or Bounds())]


def test_as_good_as_the_stable_version_is_good_enough() -> None:
    assert broken(FINE) == []


@pytest.mark.parametrize(
    ("field", "bound", "limit"),
    [
        ("errors", "errors", 0.02 + MORE_ERRORS),
        ("p99_ms", "p99_ms", 100 * SLOWER),
        ("low_confidence", "low_confidence", 0.05 + MORE_LOW_CONFIDENCE),
    ],
)
def test_the_stable_version_is_the_measure(field: str, bound: str, limit: float) -> None:
    assert broken(replace(FINE, **{field: limit})) == []  # type: ignore[arg-type]
    assert broken(replace(FINE, **{field: limit * 1.001})) == [bound]  # type: ignore[arg-type]


def test_fast_answers_may_be_ten_milliseconds_slower() -> None:
    stable = replace(FINE, p99_ms=2.0)
    assert broken(replace(FINE, p99_ms=2.0 + SLOWER_MS), stable) == []
    assert broken(replace(FINE, p99_ms=2.1 + SLOWER_MS), stable) == ["p99_ms"]


def test_fixed_bounds_replace_the_measure() -> None:
    bad = replace(FINE, errors=0.011, p99_ms=51.0, low_confidence=0.21)
    assert broken(bad, NOTHING, FIXED) == ["errors", "p99_ms", "low_confidence"]
    assert broken(replace(FINE, errors=0.01, p99_ms=50.0, low_confidence=0.2), bad, FIXED) == []


def test_a_few_requests_have_no_p99() -> None:
    slow = replace(FINE, requests=49, p99_ms=5000.0)
    assert broken(slow) == []
    assert broken(replace(slow, requests=50)) == ["p99_ms"]


def test_what_was_not_measured_breaks_nothing() -> None:
    unmeasured = replace(FINE, low_confidence=None, predictions=0)
    assert broken(unmeasured) == []
    assert broken(FINE, unmeasured) == []


def test_too_little_is_not_judged() -> None:
    few = replace(FINE, requests=49)
    assert missing_requests(FINE, FINE, Bounds()) == ""
    assert missing_requests(few, FINE, Bounds()) == "the new version answered 49 of 50 requests"
    assert missing_requests(FINE, few, Bounds()) == "the stable version answered 49 of 50 requests"
    # where nothing is compared with it, the stable version may be idle
    assert missing_requests(FINE, NOTHING, FIXED) == ""
    assert "stable" in missing_requests(FINE, NOTHING, replace(FIXED, max_errors=None))


def test_a_breach_says_what_was_measured_and_what_is_allowed() -> None:
    (breach,) = breaches(replace(FINE, errors=0.25), FINE, Bounds())
    assert str(breach) == "errors 25 %, allowed 3 % (stable: 2 %)"
    (breach,) = breaches(replace(FINE, p99_ms=75.5), FINE, replace(FIXED, max_errors=1))
    assert str(breach) == "p99 latency 75.5 ms, allowed 50 ms"
