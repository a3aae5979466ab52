"""How a division between Revisions is spelled for people."""

from __future__ import annotations

import pytest

from liteship.cli.canary import _share
from liteship.cli.cluster_traffic import spelled
from liteship.errors import ConfigurationError


def test_a_division_is_spelled_by_version() -> None:
    assert spelled({"d-a": 90, "d-b": 10}, {"d-a": "v1", "d-b": "v2"}) == "v1 90 %, v2 10 %"
    assert spelled({"d-a": 90, "d-x": 10}, {"d-a": "v1"}) == "v1 90 %, d-x 10 %"
    assert spelled({}, {}) == "nothing"


def test_two_revisions_of_one_version_are_told_apart() -> None:
    versions = {"d-a": "v1", "d-b": "v2", "d-c": "v2"}
    assert spelled({"d-b": 90, "d-c": 10}, versions) == "d-b 90 %, d-c 10 %"


@pytest.mark.parametrize(
    ("text", "share"), [("1%", 0.01), ("0.5 %", 0.005), ("20", 0.2), ("100%", 1.0), ("0", 0.0)]
)
def test_shares_are_percentages(text: str, share: float) -> None:
    assert _share("--max-errors", text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "some", "-1%", "101", "nan", "1%%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _share("--max-errors", text)
    assert raised.value.reference == "share-invalid"
