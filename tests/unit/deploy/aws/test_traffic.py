"""How a wish becomes a whole division of the traffic."""

from __future__ import annotations

import pytest

from liteship.deploy.aws.traffic import parse_shares, plan_shares
from liteship.errors import ConfigurationError


def test_words_are_read() -> None:
    assert parse_shares(["7=10", "6=90%"]) == {"7": 10.0, "6": 90.0}
    assert parse_shares(["7=12.5"]) == {"7": 12.5}


@pytest.mark.parametrize(
    ("wanted", "before", "main", "planned"),
    [
        # the rest stays on the main version, whoever else has some
        ({"7": 10}, {"6": 100}, "6", {"6": 90, "7": 10}),
        ({"8": 10}, {"6": 90, "7": 10}, "6", {"6": 90, "8": 10}),
        # a share of the main version itself leaves the rest to its companion
        ({"6": 20}, {"6": 90, "7": 10}, "6", {"6": 20, "7": 80}),
        # nothing for the canary is everything for the other
        ({"7": 0}, {"6": 90, "7": 10}, "6", {"6": 100}),
        ({"7": 100}, {"6": 90, "7": 10}, "6", {"7": 100}),
        # who becomes the main version, where the present one loses everything
        ({"7": 30, "8": 70}, {"6": 100}, "6", {"8": 70, "7": 30}),
        ({"7": 33.3}, {"6": 100}, "6", {"6": 66.7, "7": 33.3}),
    ],
)
def test_the_rest_stays_where_it_is(
    wanted: dict[str, float], before: dict[str, float], main: str, planned: dict[str, float]
) -> None:
    found = plan_shares(wanted, before, main)
    assert found == pytest.approx(planned)
    assert list(found) == list(planned)


@pytest.mark.parametrize(
    "wanted", [{"6": 50}, {"6": 0}, {"7": 50, "8": 49}, {"7": 50, "8": 51}, {"7": 0, "8": 0}, {}]
)
def test_what_does_not_make_a_whole_is_refused(wanted: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        plan_shares(wanted, {"6": 100}, "6")
    assert raised.value.reference == "traffic-invalid"
