from __future__ import annotations

import threading

import pytest
from tests.exposition import Family, parse

from liteship.runtime.metrics import BUCKETS_S, Metrics

MODEL = ("digits", "3")
LABELS = {"model": "digits", "version": "3"}


def exposed(metrics: Metrics, in_flight: int = 0, waiting: int = 0) -> dict[str, Family]:
    return parse(metrics.text(MODEL, in_flight=in_flight, waiting=waiting))


def test_every_family_is_there_from_the_start() -> None:
    families = exposed(Metrics(), in_flight=2, waiting=1)
    assert {name: family.kind for name, family in families.items()} == {
        "liteship_requests_total": "counter",
        "liteship_request_duration_seconds": "histogram",
        "liteship_requests_in_flight": "gauge",
        "liteship_queue_waiting": "gauge",
        "liteship_cold_start_seconds": "gauge",
        "liteship_predictions_total": "counter",
        "liteship_low_confidence_total": "counter",
    }
    assert families["liteship_requests_in_flight"].value(**LABELS) == 2
    assert families["liteship_queue_waiting"].value(**LABELS) == 1
    assert families["liteship_predictions_total"].value(**LABELS) == 0
    assert families["liteship_low_confidence_total"].value(**LABELS) == 0
    assert not families["liteship_cold_start_seconds"].samples  # not ready yet


def test_requests_are_counted_by_status_and_version() -> None:
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.answered(MODEL, status, 0.1)
    metrics.answered(("digits", "4"), 200, 0.1)
    requests = exposed(metrics)["liteship_requests_total"]
    assert requests.value(**LABELS, status="200") == 2
    assert requests.value(**LABELS, status="503") == 1
    assert requests.value(model="digits", version="4", status="200") == 1
    assert len(requests.samples) == 3


@pytest.mark.parametrize("bound", BUCKETS_S)
def test_a_bound_belongs_to_its_bucket(bound: float) -> None:
    metrics = Metrics()
    metrics.answered(MODEL, 200, bound)
    latency = exposed(metrics)["liteship_request_duration_seconds"]
    counts = [latency.value("_bucket", **LABELS, le=str(each)) for each in BUCKETS_S]
    assert counts == [float(each >= bound) for each in BUCKETS_S]


def test_the_histogram_holds_what_is_longer_than_every_bound() -> None:
    metrics = Metrics()
    durations_s = [0.0, 0.003, 0.003, 2 * BUCKETS_S[-1]]
    for duration_s in durations_s:
        metrics.answered(MODEL, 200, duration_s)
    latency = exposed(metrics)["liteship_request_duration_seconds"]
    assert latency.value("_bucket", **LABELS, le=str(BUCKETS_S[-1])) == len(durations_s) - 1
    assert latency.value("_count", **LABELS) == len(durations_s)
    assert latency.value("_sum", **LABELS) == pytest.approx(sum(durations_s))


def test_predictions_and_unsure_ones() -> None:
    metrics = Metrics()
    for low_confidence in (True, False, False):
        metrics.predicted(MODEL, count=1, low_confidence=low_confidence)
    families = exposed(metrics)
    assert families["liteship_predictions_total"].value(**LABELS) == 3
    assert families["liteship_low_confidence_total"].value(**LABELS) == 1


def test_the_cold_start_belongs_to_the_version_that_was_started() -> None:
    metrics = Metrics()
    metrics.started(("digits", "2"), 0.25)
    cold_start = exposed(metrics)["liteship_cold_start_seconds"]
    assert cold_start.value(model="digits", version="2") == 0.25
    assert len(cold_start.samples) == 1


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "\\n", '"', "\\", 'x",y="z', "ä{}"])
def test_label_values_are_escaped(odd: str) -> None:
    metrics = Metrics()
    metrics.answered((odd, odd), 200, 0.1)
    metrics.started((odd, odd), 0.1)
    families = parse(metrics.text((odd, odd), in_flight=0, waiting=0))
    assert families["liteship_requests_total"].value(model=odd, version=odd, status="200") == 1
    assert families["liteship_predictions_total"].value(model=odd, version=odd) == 0


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()
    threads, rounds = 4, 500

    def count() -> None:
        for _ in range(rounds):
            metrics.answered(MODEL, 200, 0.1)
            metrics.predicted(MODEL, count=1, low_confidence=1)
            exposed(metrics)  # strict: no half-written state may be seen

    workers = [threading.Thread(target=count) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    families = exposed(metrics)
    assert families["liteship_requests_total"].value(**LABELS, status="200") == threads * rounds
    assert families["liteship_low_confidence_total"].value(**LABELS) == threads * rounds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "liteship_x 1",
        '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n',
        '# HELP a b\n# TYPE a gauge\na{x="\n"} 1\n',
        "# HELP a b\n# TYPE a gauge\nb 1\n",
        "# HELP a_total b\n# TYPE a_total counter\na_total -1\n",
        '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\n',
        '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_reader_of_these_tests_is_strict(text: str) -> None:
    with pytest.raises(AssertionError):
        parse(text)
