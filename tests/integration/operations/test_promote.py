"""`liteship promote`, on Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.command_line import Refused, Run
    from tests.integration.operations.conftest import Cloud


pytestmark = pytest.mark.usefixtures("revisions")


def test_the_newest_version_gets_all_traffic(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=3)
    liteship("traffic", "digits", "2=10")
    assert "→ version 3 100 %" in liteship("promote", "digits").output
    assert cloud.percents() == {"3": 100.0}
    assert "as it was" in liteship("promote", "digits").output


def test_so_does_a_version_that_is_named(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy("liteship-prod", versions=3, live="3")
    change = liteship("promote", "digits", "2", "--stage", "prod", "--json").json
    assert (change["before"], change["after"]) == ({"3": 100.0}, {"2": 100.0})
    assert cloud.percents("liteship-prod") == {"2": 100.0}


def test_a_version_that_is_not_published_is_refused(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy(versions=2)
    assert refused("promote", "digits", "7")["reference"] == "version-missing"
    assert refused("promote", "digits", "v2")["reference"] == "traffic-invalid"
    assert refused("promote", "digits", "2", "--context", "x")["reference"] == "option-unused"
    assert cloud.percents() == {"1": 100.0}
