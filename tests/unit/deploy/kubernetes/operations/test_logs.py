"""Lines as the API gives them, with nanoseconds."""

from __future__ import annotations

import time

import pytest

from liteship.deploy.kubernetes.operations.logs import _parsed

SECOND_NS = 1_795_372_200 * 1_000_000_000
"""2026-11-22T18:30:00Z"""


@pytest.mark.parametrize(
    ("stamp", "fraction_ns"),
    [
        ("2026-11-22T18:30:00Z", 0),
        ("2026-11-22T18:30:00.1Z", 100_000_000),
        ("2026-11-22T18:30:00.123456789Z", 123_456_789),
        ("2026-11-22T18:30:00.000000001Z", 1),
        ("2026-11-22T19:30:00.12+01:00", 120_000_000),
        ("2026-11-22T13:30:00-05:00", 0),
    ],
)
def test_a_time_has_as_many_digits_as_it_needs(stamp: str, fraction_ns: int) -> None:
    line = _parsed(f'{stamp} {{"a": 1}} \n', "digits-1", "3")
    assert line.time_ns == SECOND_NS + fraction_ns
    assert line.message == '{"a": 1} '
    event = line.event()
    assert (event.stream, event.version, event.fields) == ("digits-1", "3", {"a": 1})
    assert event.time_ms == line.time_ns // 1_000_000


def test_an_empty_line_is_one() -> None:
    assert _parsed("2026-11-22T18:30:00Z \n", "p", "").message == ""


def test_a_word_of_the_kubelet_has_no_time() -> None:
    before = time.time_ns()
    line = _parsed("unable to retrieve container logs for containerd://1\n", "p", "1")
    assert before <= line.time_ns <= time.time_ns()
    assert line.message.startswith("unable to")
