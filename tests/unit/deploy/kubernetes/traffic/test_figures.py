"""What Pods counted in a span of time, though they come, go and start again."""

from __future__ import annotations

import random

import pytest

from liteship.deploy.kubernetes.traffic.exposition import Samples, parse
from liteship.deploy.kubernetes.traffic.figures import Increases, figures, quantile
from liteship.runtime.metrics import BUCKETS_S, Metrics

MODEL = ("digits", "3")


class Pod:
    """A server's metrics, as a scrape would read them."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    def answer(
        self, requests: int, *, errors: int = 0, unsure: int = 0, duration_s: float = 0.02
    ) -> None:
        for number in range(requests):
            self.metrics.answered(MODEL, 500 if number < errors else 200, duration_s)
            self.metrics.predicted(MODEL, count=1, low_confidence=number < unsure)

    def samples(self) -> Samples:
        return parse(self.metrics.text(MODEL, in_flight=0, waiting=0))


def requests(counts: Increases) -> int:
    return figures(counts.total, {}).requests


def test_only_what_comes_after_the_first_scrape_counts() -> None:
    pod, counts = Pod(), Increases()
    pod.answer(1000, errors=1000)
    counts.add({"a": pod.samples()})
    assert requests(counts) == 0
    pod.answer(40, errors=4, unsure=10)
    counts.add({"a": pod.samples()})
    found = figures(counts.total, {})
    assert (found.requests, found.errors, found.predictions, found.low_confidence) == (
        40,
        0.1,
        40,
        0.25,
    )
    # all lay between 10 and 25 ms, and evenly so as far as the histogram knows
    assert found.p99_ms == pytest.approx(10 + 0.99 * 15)


def test_a_span_begins_at_a_mark() -> None:
    pod, counts = Pod(), Increases()
    counts.add({"a": pod.samples()})
    pod.answer(30, errors=30)
    counts.add({"a": pod.samples()})
    mark = dict(counts.total)
    pod.answer(10)
    counts.add({"a": pod.samples()})
    assert figures(counts.total, mark).requests == 10
    assert figures(counts.total, mark).errors == 0


def test_without_requests_there_are_no_shares() -> None:
    pod, counts = Pod(), Increases()
    counts.add({"a": pod.samples()})
    counts.add({"a": pod.samples()})
    found = figures(counts.total, {})
    assert (found.requests, found.errors, found.p99_ms, found.low_confidence) == (0, None, None, None)


def test_pods_that_come_count_from_their_start_and_those_that_go_keep_what_they_counted() -> None:
    old, new, counts = Pod(), Pod(), Increases()
    counts.add({"old": old.samples()})
    old.answer(5)
    counts.add({"old": old.samples()})
    new.answer(7)
    counts.add({"new": new.samples()})
    assert requests(counts) == 12


def test_a_restarted_server_counts_from_nothing() -> None:
    pod, counts = Pod(), Increases()
    pod.answer(3)
    counts.add({"a": pod.samples()})
    restarted = Pod()
    restarted.answer(2, errors=1)
    counts.add({"a": restarted.samples()})
    assert requests(counts) == 2
    # a larger count of another series does not hide that one of them shrank
    again = Pod()
    again.answer(40)
    counts.add({"a": again.samples()})
    assert requests(counts) == 42


def test_a_pod_that_does_not_answer_is_counted_when_it_does_again() -> None:
    pod, counts = Pod(), Increases()
    counts.add({"a": pod.samples()})
    pod.answer(4)
    counts.add({"a": None})
    pod.answer(4)
    counts.add({"a": pod.samples()})
    assert requests(counts) == 8


def test_what_a_pod_counted_before_it_first_answered_is_not_ours() -> None:
    pod, counts = Pod(), Increases()
    pod.answer(100)
    counts.add({"a": None})
    counts.add({"a": pod.samples()})
    assert requests(counts) == 0
    pod.answer(1)
    counts.add({"a": pod.samples()})
    assert requests(counts) == 1


def test_a_pod_that_starts_meanwhile_counts_from_its_start_though_it_answers_late() -> None:
    pod, counts = Pod(), Increases()
    counts.add({})
    counts.add({"a": None})
    pod.answer(6)
    counts.add({"a": pod.samples()})
    assert requests(counts) == 6


def test_the_quantile_of_a_known_histogram() -> None:
    # a tenth of the way into the bucket from 1 to 2, in which observations 91 to 100 lie
    assert quantile({1.0: 90, 2.0: 100, float("inf"): 100}, 0.91) == pytest.approx(1.1)
    assert quantile({1.0: 100, float("inf"): 100}, 0.99) == pytest.approx(0.99)
    # nothing is known above the last bound
    assert quantile({1.0: 10, float("inf"): 100}, 0.99) == 1.0
    # empty buckets below are passed over
    assert quantile({1.0: 0, 2.0: 0, 4.0: 8, float("inf"): 8}, 0.5) == pytest.approx(3.0)
    assert quantile({}, 0.99) is None
    assert quantile({1.0: 0, float("inf"): 0}, 0.99) is None


def test_the_quantile_is_within_the_bucket_of_the_true_one() -> None:
    numbers = random.Random(4)  # noqa: S311
    for _ in range(50):
        durations = [numbers.lognormvariate(-4, 1) for _ in range(numbers.randint(1, 500))]
        buckets = {bound: float(sum(each <= bound for each in durations)) for bound in BUCKETS_S}
        found = quantile({**buckets, float("inf"): len(durations)}, 0.99)
        ordered = sorted(durations)
        true = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        upper = min((bound for bound in BUCKETS_S if bound >= true), default=BUCKETS_S[-1])
        lower = max((bound for bound in BUCKETS_S if bound < true), default=0.0)
        assert found is not None
        # the rank of a whole number may lie at the end of the bucket before
        assert lower * 0.4 <= found <= upper
