"""Moving traffic between a function's Revisions, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.traffic.revisions import (
    find_revision,
    list_revisions,
    newest_ready,
    read_service,
    require_ready,
)
from liteship.deploy.kubernetes.traffic.routing import routing_of, write_routing
from liteship.deploy.kubernetes.traffic.targets import LATEST
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.revisions import Revision
    from liteship.deploy.kubernetes.traffic.routing import Routing


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was done to the traffic.

    Attributes:
        before: Revision name to percent, as it was.
        after: As it is now.
        versions: Revision name to how people call it, of those above.
        follows_latest: Whether a new Revision gets all traffic by itself now.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]
    versions: Mapping[str, str]
    follows_latest: bool


def parse_shares(words: Sequence[str]) -> dict[str, int]:
    """Reads `VERSION=PERCENT` words.

    Raises:
        ConfigurationError: `traffic-invalid`.
    """
    shares: dict[str, int] = {}
    for word in words:
        version, _, percent = word.rpartition("=")
        number = percent.removesuffix("%")
        if not version or version in shares or not (number.isascii() and number.isdecimal()):
            raise _invalid(f"{word!r} is not a share of the traffic", word)
        shares[version] = int(number)
        if shares[version] > 100:
            raise _invalid(f"{word!r} is more than all", word)
    return shares


def _invalid(message: str, received: str, expected: str = "") -> ConfigurationError:
    return ConfigurationError(
        "traffic-invalid",
        message,
        expected=expected or "VERSION=PERCENT, each version once, whole numbers from 0 to 100",
        received=received,
        hint="for instance: liteship traffic NAME v3=10 v2=90 --on knative",
    )


def plan_shares(
    wanted: Mapping[str, int], before: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, int]:
    """The whole division: what was asked for, and the rest where it is now, if that is one Revision.

    Args:
        wanted: Revision name to percent.
        before: The present division.
        names: Revision name to how people call it.

    Returns:
        Revision name to percent above 0; sums to 100.

    Raises:
        ConfigurationError: `traffic-invalid`.
    """
    planned = dict(wanted)
    rest = 100 - sum(wanted.values())
    others = [revision for revision in before if revision not in wanted]
    asked = " ".join(f"{names.get(each, each)}={percent}" for each, percent in wanted.items())
    if rest > 0 and len(others) == 1:
        planned[others[0]] = rest
    elif rest > 0 and others:
        share = ", ".join(f"{names.get(each, each)} {before[each]} %" for each in others)
        raise _invalid(
            f"nothing says how the other {rest} % are divided: {share} share them now",
            asked,
            "percentages of all of them, together 100",
        )
    elif rest:
        raise _invalid("the shares do not make a whole", asked, "percentages that sum to 100")
    return {revision: percent for revision, percent in planned.items() if percent}


def shift_traffic(cluster: Cluster, name: str, wanted: Mapping[str, int]) -> Change:
    """Divides the traffic between Revisions, by their names: a later one gets nothing by itself.

    Args:
        cluster: Where.
        name: The Knative Service.
        wanted: Version or Revision name to percent; what is left of 100 stays on the one that has it.

    Raises:
        ConfigurationError: `traffic-invalid`.
        DeploymentError: `function-not-deployed`, `version-missing`, `version-not-ready`,
            `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    before, revisions = _read(cluster, name)
    shares: dict[str, int] = {}
    for version, percent in wanted.items():
        revision = find_revision(revisions, version)
        if revision.name in shares:
            raise _invalid(f"{version} and another word mean {revision.name}", " ".join(wanted))
        shares[revision.name] = percent
    planned = plan_shares(shares, before.percents, {each.name: each.spelled for each in revisions})
    for revision in revisions:
        if revision.name in planned:
            require_ready(revision)
    return _write(cluster, name, before, revisions, planned)


def promote(cluster: Cluster, name: str, version: str | None = None) -> Change:
    """Gives all traffic to one Revision; where that is the newest, to later ones too, once ready.

    Args:
        cluster: Where.
        name: The Knative Service.
        version: Version or Revision name; by default the newest ready one.

    Raises:
        DeploymentError: `function-not-deployed`, `version-missing`, `version-not-ready`,
            `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    before, revisions = _read(cluster, name)
    revision = newest_ready(revisions) if version is None else find_revision(revisions, version)
    if revision is None:
        raise DeploymentError(
            "version-not-ready",
            f"no Revision of {name} is ready",
            received="; ".join(f"{each.name}: {each.reason}" for each in revisions) or "none is there",
            hint=f"liteship logs {name} --on knative may say why; then deploy again",
        )
    require_ready(revision)
    return _write(cluster, name, before, revisions, {LATEST if revision.latest else revision.name: 100})


def roll_back(cluster: Cluster, name: str, to: str | None = None) -> Change:
    """Takes the traffic from the newest Revision that has any, and gives all of it to one before.

    Args:
        cluster: Where.
        name: The Knative Service.
        to: Version or Revision name; by default the newest ready one that was made before the newest
            one with traffic.

    Raises:
        DeploymentError: `function-not-deployed`, `version-missing`, `version-not-ready`,
            `nothing-to-roll-back`, `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    before, revisions = _read(cluster, name)
    revision = _before(name, before, revisions) if to is None else find_revision(revisions, to)
    require_ready(revision)
    return _write(cluster, name, before, revisions, {revision.name: 100})


def _before(name: str, routing: Routing, revisions: Sequence[Revision]) -> Revision:
    newest = next(
        (place for place, each in enumerate(revisions) if each.name in routing.percents), len(revisions)
    )
    for revision in revisions[newest + 1 :]:
        if revision.ready:
            return revision
    known = ", ".join(f"{each.name} ({each.reason or 'ready'})" for each in revisions)
    raise DeploymentError(
        "nothing-to-roll-back",
        f"{name} has no ready Revision before the newest one that has traffic",
        received=known or "no Revision",
        hint=f"liteship versions {name} --on knative shows who has what; or deploy the older one again",
    )


def _read(cluster: Cluster, name: str) -> tuple[Routing, list[Revision]]:
    service = read_service(cluster, name)
    return routing_of(service), list_revisions(cluster, name, service)


def _write(
    cluster: Cluster,
    name: str,
    before: Routing,
    revisions: Sequence[Revision],
    percents: Mapping[str, int],
) -> Change:
    after = write_routing(cluster, name, percents, before=before)
    spelled = {each.name: each.spelled for each in revisions}
    concerned = [*before.percents, *(each for each in after.percents if each not in before.percents)]
    return Change(
        before=before.percents,
        after=after.percents,
        versions={each: spelled.get(each, each) for each in concerned},
        follows_latest=after.follows_latest,
    )
