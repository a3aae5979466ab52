"""The scenarios of `pytest -m cluster`, against the stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.scenarios import SCENARIOS
from tests.cluster.world import World
from tests.integration.kubernetes.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kubernetes_stand_in import StandIn


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_in_the_stand_in(scenario: Callable[[World], None], cluster: StandIn, tmp_path: Path) -> None:
    cluster.window_s = 6.0
    world = World(
        namespace="default",
        image=IMAGE,
        ingress=cluster.ingress,
        kubeconfig=str(cluster.kubeconfig),
        home=tmp_path,
    )
    scenario(world)
    assert world.told or scenario.__name__ in {"canary", "logs", "delete"}
