"""Between which versions a canary takes place, and in which steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.traffic.bounds import Bounds
from liteship.deploy.kubernetes.traffic.revisions import (
    find_revision,
    list_revisions,
    read_service,
    require_ready,
)
from liteship.deploy.kubernetes.traffic.routing import routing_of
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.revisions import Revision
    from liteship.deploy.kubernetes.traffic.routing import Routing


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to go about it.

    Attributes:
        steps: Percentages, ascending.
        step_s: How long each is watched at least.
        patience_s: How long a step waits for enough requests, and for an API server that is away.
        bounds: What the new version is held to.
    """

    steps: Sequence[int]
    step_s: float = 60.0
    patience_s: float = 1800.0
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Between what a canary takes place.

    Attributes:
        new: The Revision that is to get the traffic.
        stable: The one that has it.
        before: The division as it was found.
        steps: Those that are left: a canary that was cut short goes on where it was.
    """

    new: Revision
    stable: Revision
    before: Routing
    steps: Sequence[int]


def parse_steps(text: str) -> list[int]:
    """Reads `5,25,50,100`.

    Raises:
        ConfigurationError: `steps-invalid`.
    """
    words = [word.strip().removesuffix("%") for word in text.split(",")]
    steps = [int(word) for word in words if word.isascii() and word.isdecimal()]
    if len(steps) < len(words) or steps != sorted(set(steps)) or not 1 <= steps[0] <= steps[-1] <= 100:
        raise ConfigurationError(
            "steps-invalid",
            "the steps of a canary cannot be read",
            expected="whole percentages from 1 to 100, each above the one before",
            received=text,
            hint="for instance: --steps 5,25,50,100",
        )
    return steps


def begin(cluster: Cluster, name: str, version: str, steps: Sequence[int]) -> Start:
    """Looks at what is deployed; changes nothing.

    Args:
        cluster: Where.
        name: The Knative Service.
        version: Version or Revision name.
        steps: Percentages, ascending.

    Raises:
        DeploymentError: `function-not-deployed`, `version-missing`, `version-not-ready`,
            `canary-impossible`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    service = read_service(cluster, name)
    before, revisions = routing_of(service), list_revisions(cluster, name, service)
    new = find_revision(revisions, version)
    require_ready(new)
    others = [each for each in revisions if each.name in before.percents and each.name != new.name]
    share = before.percents.get(new.name, 0)
    left = [step for step in steps if step >= share]
    if len(others) != 1 or not left:
        had = ", ".join(f"{each.spelled} {each.percent} %" for each in revisions if each.percent)
        raise DeploymentError(
            "canary-impossible",
            f"{new.spelled} cannot take over traffic from another version step by step",
            expected="one other version that has the traffic, and a step above the present share",
            received=f"traffic: {had or 'none'}; steps: {', '.join(map(str, steps))}",
            hint=f"liteship promote {name} VERSION --on knative gives all traffic to one version",
        )
    require_ready(others[0])
    return Start(new=new, stable=others[0], before=before, steps=left)


def division(start: Start, percent: int) -> dict[str, int]:
    """Revision name to percent, at one step."""
    both = {start.stable.name: 100 - percent, start.new.name: percent}
    return {revision: share for revision, share in both.items() if share}
