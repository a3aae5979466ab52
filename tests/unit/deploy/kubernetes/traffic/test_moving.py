"""How a wish becomes a whole division between Revisions, and steps become a canary's."""

from __future__ import annotations

import pytest

from liteship.deploy.kubernetes.traffic.canary_plan import parse_steps
from liteship.deploy.kubernetes.traffic.moving import parse_shares, plan_shares
from liteship.errors import ConfigurationError

NAMES = {"a": "v1", "b": "v2", "c": "v3"}


def test_words_are_read() -> None:
    assert parse_shares(["v3=10", "d-v2-1234abcd=90%", "1=0"]) == {
        "v3": 10,
        "d-v2-1234abcd": 90,
        "1": 0,
    }


@pytest.mark.parametrize(
    "words",
    [
        ["v3"],
        ["=10"],
        ["v3="],
        ["v3=12.5"],
        ["v3=-1"],
        ["v3=101"],
        ["v3=ten"],
        ["v3=٣"],
        ["v3=1 0"],
        ["v3=10", "v3=20"],
    ],
)
def test_what_is_no_whole_share_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_shares(words)
    assert raised.value.reference == "traffic-invalid"
    assert "whole numbers" in (raised.value.expected or "")
    assert raised.value.received == words[-1]


@pytest.mark.parametrize(
    ("wanted", "before", "planned"),
    [
        ({"c": 10, "b": 90}, {"a": 100}, {"c": 10, "b": 90}),
        ({"c": 10}, {"b": 100}, {"c": 10, "b": 90}),
        ({"c": 25}, {"b": 90, "c": 10}, {"c": 25, "b": 75}),
        ({"c": 0}, {"b": 90, "c": 10}, {"b": 100}),
        ({"c": 100}, {"a": 50, "b": 50}, {"c": 100}),
        ({"c": 10, "b": 20}, {"a": 100}, {"c": 10, "b": 20, "a": 70}),
        ({"c": 10, "b": 0, "a": 90}, {"a": 50, "b": 50}, {"c": 10, "a": 90}),
    ],
)
def test_the_rest_stays_where_it_is(
    wanted: dict[str, int], before: dict[str, int], planned: dict[str, int]
) -> None:
    assert plan_shares(wanted, before, NAMES) == planned


@pytest.mark.parametrize(
    ("wanted", "before", "said"),
    [
        ({"c": 60, "b": 50}, {"a": 100}, "do not make a whole"),
        ({"c": 10}, {"c": 100}, "do not make a whole"),
        ({"c": 10}, {}, "do not make a whole"),
        ({"c": 10}, {"a": 50, "b": 50}, "v1 50 %, v2 50 % share them now"),
    ],
)
def test_what_does_not_make_a_whole_is_refused(
    wanted: dict[str, int], before: dict[str, int], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        plan_shares(wanted, before, NAMES)
    assert raised.value.reference == "traffic-invalid"
    assert "v3=" in (raised.value.received or "")


def test_steps_are_read() -> None:
    assert parse_steps("5,25,50,100") == [5, 25, 50, 100]
    assert parse_steps("1%, 100%") == [1, 100]
    assert parse_steps("10") == [10]


@pytest.mark.parametrize(
    "text", ["", "5,,10", "25,5", "5,5", "0,100", "5,101", "12.5,100", "ten", "-5"]
)
def test_steps_that_do_not_ascend_to_a_whole_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_steps(text)
    assert raised.value.reference == "steps-invalid"
    assert raised.value.received == text
