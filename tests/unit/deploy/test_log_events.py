"""Spans and events of the log."""

from __future__ import annotations

import datetime as dt

import pytest

from liteship.deploy.log_events import LogEvent, parse_since
from liteship.errors import ConfigurationError

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "age_s"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("0s", 0)]
)
def test_spans(text: str, age_s: int) -> None:
    assert parse_since(text, NOW_S) == (NOW_S - age_s) * 1000


def test_a_span_longer_than_the_world_begins_at_its_beginning() -> None:
    assert parse_since("999999999d", NOW_S) == 0


def test_times() -> None:
    moment = dt.datetime(2026, 11, 22, 18, 30, tzinfo=dt.UTC)
    assert parse_since("2026-11-22T18:30+00:00", NOW_S) == moment.timestamp() * 1000
    local = dt.datetime(2026, 11, 22, 18, 30).astimezone()
    assert parse_since("2026-11-22T18:30", NOW_S) == local.timestamp() * 1000


@pytest.mark.parametrize("text", ["", "m", "1.5h", "1w", "0001-01-01T00:00+23:00"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_since(text, NOW_S)
    assert raised.value.reference == "since-invalid"


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ('{"level": "INFO"}', {"level": "INFO"}),
        ("START RequestId: 1", {}),
        ('{"level": ', {}),
        ("[1]", {}),
    ],
)
def test_fields_are_those_of_a_json_object(message: str, fields: dict[str, str]) -> None:
    assert LogEvent(id="1", time_ms=0, stream="s", message=message).fields == fields
