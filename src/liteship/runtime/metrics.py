"""What `GET /metrics` tells, in Prometheus' text format; only the HTTP server imports it.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Model = tuple[str, str]
    """A model's name and version."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram: from a small dense model's answer, about a millisecond, to the
longest that a caller waits; each 2 to 2.5 times the one before."""


class Metrics:
    """Counts since the process started. Every method may be called by several threads at once.

    Each count belongs to the version of the model that was loaded then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[Model, int], int] = {}
        self._latencies: dict[Model, list[int]] = {}  # one count a bucket, then those above all
        self._latency_sums_s: dict[Model, float] = {}
        self._predictions: dict[Model, int] = {}
        self._low_confidence: dict[Model, int] = {}
        self._cold_start: tuple[Model, float] | None = None

    def answered(self, model: Model, status: int, duration_s: float) -> None:
        """A request was answered, whatever the answer; health questions and scrapes are not told."""
        with self._lock:
            self._requests[model, status] = self._requests.get((model, status), 0) + 1
            latencies = self._latencies.setdefault(model, [0] * (len(BUCKETS_S) + 1))
            latencies[bisect_left(BUCKETS_S, duration_s)] += 1
            self._latency_sums_s[model] = self._latency_sums_s.get(model, 0.0) + duration_s

    def predicted(self, model: Model, *, count: int, low_confidence: int) -> None:
        """So many predictions were made, and so many of them with low confidence."""
        with self._lock:
            self._predictions[model] = self._predictions.get(model, 0) + count
            unsure = self._low_confidence.get(model, 0)
            self._low_confidence[model] = unsure + low_confidence

    def started(self, model: Model, cold_start_s: float) -> None:
        """The process became ready this long after it was started."""
        with self._lock:
            self._cold_start = model, cold_start_s

    def text(self, model: Model, *, in_flight: int, waiting: int) -> str:
        """The exposition.

        Args:
            model: The model that is loaded now; its counters are there from the start, at 0, so that
                the first increase is seen as one.
            in_flight: Requests that are being answered.
            waiting: Of these, predictions that wait for a worker.
        """
        with self._lock:
            labels = _labels(model)
            return "".join(
                [
                    *_family(
                        "requests_total",
                        "counter",
                        "Requests answered, by HTTP status; without health questions and scrapes.",
                        (
                            ("", _labels(each, status=str(status)), count)
                            for (each, status), count in sorted(self._requests.items())
                        ),
                    ),
                    *_family(
                        "request_duration_seconds",
                        "histogram",
                        "From the head of a request to the end of its answer.",
                        self._histograms(),
                    ),
                    *_family(
                        "requests_in_flight",
                        "gauge",
                        "Requests that are being answered, those that wait included.",
                        [("", labels, in_flight)],
                    ),
                    *_family(
                        "queue_waiting",
                        "gauge",
                        "Predictions that wait for a worker.",
                        [("", labels, waiting)],
                    ),
                    *_family(
                        "cold_start_seconds",
                        "gauge",
                        "From the start of the process until it was ready.",
                        [("", _labels(self._cold_start[0]), self._cold_start[1])]
                        if self._cold_start
                        else [],
                    ),
                    *_family(
                        "predictions_total",
                        "counter",
                        "Predictions made.",
                        _counts({model: 0} | self._predictions),
                    ),
                    *_family(
                        "low_confidence_total",
                        "counter",
                        "Classifications whose best score was below LITESHIP_LOW_CONFIDENCE.",
                        _counts({model: 0} | self._low_confidence),
                    ),
                ]
            )

    def _histograms(self) -> Iterable[tuple[str, str, float]]:
        for model, latencies in sorted(self._latencies.items()):
            bounds = [*map(str, BUCKETS_S), "+Inf"]
            for bound, count in zip(bounds, accumulate(latencies), strict=True):
                yield "_bucket", _labels(model, le=bound), count
            yield "_sum", _labels(model), self._latency_sums_s[model]
            yield "_count", _labels(model), sum(latencies)


def _family(
    name: str, kind: str, meaning: str, samples: Iterable[tuple[str, str, float]]
) -> Iterable[str]:
    yield f"# HELP liteship_{name} {meaning}\n# TYPE liteship_{name} {kind}\n"
    for suffix, labels, value in samples:
        yield f"liteship_{name}{suffix}{labels} {value}\n"


def _counts(counts: Mapping[Model, int]) -> Iterable[tuple[str, str, float]]:
    return (("", _labels(model), count) for model, count in sorted(counts.items()))


def _labels(model: Model, **more: str) -> str:
    labels = {"model": model[0], "version": model[1], **more}
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
