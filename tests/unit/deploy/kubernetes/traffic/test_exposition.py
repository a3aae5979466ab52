"""Reading Prometheus' text format, compared with the reader that the tests have of their own."""

from __future__ import annotations

import math

import pytest
from tests import exposition

from liteship.deploy.kubernetes.traffic.exposition import ExpositionError, parse
from liteship.runtime.metrics import Metrics


def test_what_a_function_writes_is_read_as_another_reader_does() -> None:
    metrics = Metrics()
    model = ('di"gits\\\n', "3")
    for number in range(200):
        metrics.answered(model, 200 if number % 7 else 503, number / 300)
        metrics.predicted(model, count=1, low_confidence=number % 5 == 0)
    metrics.started(model, 1.25)
    text = metrics.text(model, in_flight=2, waiting=1)
    expected = {
        (name + suffix, labels): value
        for name, family in exposition.parse(text).items()
        for (suffix, labels), value in family.samples.items()
    }
    assert len(expected) > 20
    assert parse(text) == expected


def test_spaces_comments_and_time_stamps_are_allowed() -> None:
    text = '# anything\n\n  up 1 1700000000000\nq{ le = "x" } 2\n'.replace(" = ", "=")
    assert parse(text) == {("up", ()): 1.0, ("q", (("le", "x"),)): 2.0}
    assert parse('a{b="}",c="\\n\\\\\\"",} +Inf\n') == {("a", (("b", "}"), ("c", '\n\\"'))): math.inf}
    assert math.isnan(parse("a NaN\n")["a", ()])
    assert parse("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "up 1",  # cut off
        "up\n",
        "up one\n",
        "up 1_000\n",
        "up 1 2 3\n",
        "up 1 soon\n",
        "1up 1\n",
        'up{a="b" 1\n',
        'up{a="b"c="d"} 1\n',
        'up{a="b",a="c"} 1\n',
        'up{a="\\t"} 1\n',
        "up{a=b} 1\n",
        "up 1\nup 2\n",
        "<html><body>not found</body></html>\n",
        '{"error": "not found"}\n',
    ],
)
def test_anything_else_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ExpositionError, match=r"line \d|within a line"):
        parse(text)
