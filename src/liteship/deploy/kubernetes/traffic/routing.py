"""How a Knative Service divides its traffic: read from it, and written to it until Knative does so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.cluster import KNATIVE_SERVICE
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.traffic.revisions import condition, list_revisions, read_service
from liteship.deploy.kubernetes.traffic.targets import LATEST, plan_targets, shares_of, target_of
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.targets import Target

MANAGER = "liteship-traffic"
"""The field manager of spec.traffic, another one than the manifest's: applying that again leaves the
traffic alone."""

ROUTED_S = 120
"""How long Knative may take to route as it was told; a second or two is usual."""

REFUSED_S = 5.0
"""How long a refusal has to last: a controller may not have seen yet that a Revision is ready."""

ATTEMPTS = 10
"""Of writing, while the Service's status changes in between; each change of it is a conflict, too."""


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Where a Service's requests go.

    Attributes:
        percents: Revision name to percent above 0, as Knative does it now.
        asked: Revision name or `LATEST` to percent above 0, as spec.traffic asks for it.
        targets: All of spec.traffic.
        generation: Counts the changes of the Service's spec.
        resource_version: Kubernetes' mark of this state.
    """

    percents: Mapping[str, int]
    asked: Mapping[str, int]
    targets: Sequence[Target]
    generation: int
    resource_version: str

    @property
    def follows_latest(self) -> bool:
        """Whether a new Revision gets traffic by itself, once it is ready."""
        return LATEST in self.asked


def read_routing(cluster: Cluster, name: str) -> Routing:
    """How the traffic is divided now.

    Raises:
        DeploymentError: `function-not-deployed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    return routing_of(read_service(cluster, name))


def routing_of(service: Mapping[str, Any]) -> Routing:
    """What a Knative Service says of its traffic."""
    metadata = service["metadata"]
    asked = service["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
    targets = [target_of(each) for each in asked]
    percents: dict[str, int] = {}
    for each in (service.get("status") or {}).get("traffic") or []:
        if each.get("percent"):
            revision = each["revisionName"]
            percents[revision] = percents.get(revision, 0) + each["percent"]
    return Routing(
        percents=percents,
        asked=shares_of(targets),
        targets=targets,
        generation=metadata.get("generation", 0),
        resource_version=metadata.get("resourceVersion", ""),
    )


def write_routing(
    cluster: Cluster,
    name: str,
    percents: Mapping[str, int],
    *,
    before: Routing | None = None,
    timeout_s: float = ROUTED_S,
) -> Routing:
    """Divides the traffic anew, unless somebody else has done so meanwhile, and waits until it is so.

    Args:
        cluster: Where.
        name: The Knative Service.
        percents: Revision name or `LATEST` to percent; sums to 100.
        before: What the decision rests on; by default what is read now.
        timeout_s: How long to wait.

    Returns:
        What Knative does now.

    Raises:
        DeploymentError: `function-not-deployed`, `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    for _ in range(ATTEMPTS):
        service = read_service(cluster, name)
        now = routing_of(service)
        targets = plan_targets(percents, now.targets, list_revisions(cluster, name, service))
        before = before or now
        # Asked for already: a call that failed half way is made again
        if now.asked not in (before.asked, shares_of(targets)):
            raise _changed(name, before, now)
        if sorted(targets) == sorted(now.targets):
            return _routed(cluster, name, targets, now.generation, timeout_s)
        try:
            written = cluster.apply(_manifest(name, now, targets), manager=MANAGER, force=True)
        except ClusterError as error:
            if error.status != 409:
                raise
        else:
            return _routed(cluster, name, targets, written["metadata"]["generation"], timeout_s)
    raise _changed(name, before or now, now)


def _manifest(name: str, now: Routing, targets: Sequence[Target]) -> dict[str, Any]:
    return {
        "apiVersion": KNATIVE_SERVICE.api_version,
        "kind": KNATIVE_SERVICE.kind,
        # With resourceVersion the server refuses what rests on an older state
        # (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions)
        "metadata": {"name": name, "resourceVersion": now.resource_version},
        "spec": {"traffic": [each.manifest() for each in targets]},
    }


def _routed(
    cluster: Cluster,
    name: str,
    targets: Sequence[Target],
    generation: int,
    timeout_s: float,
    *,
    refused: bool = False,
) -> Routing:
    """Waits until Knative routes so; once it has refused, for a moment longer."""
    said = "Knative has not looked at it yet"
    wanted, tags = shares_of(targets), {each.tag for each in targets if each.tag}
    for service in cluster.watch(KNATIVE_SERVICE, name, timeout_s=timeout_s):
        if service is None:
            service = read_service(cluster, name)  # noqa: PLW2901  # says that it is gone
        now = routing_of(service)
        if now.generation > generation and now.asked != wanted:
            raise _changed(name, None, now)
        status = service.get("status") or {}
        if status.get("observedGeneration", 0) < generation:
            continue
        ready = condition(service, "RoutesReady")
        said = ": ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key)) or said
        if ready.get("status") == "False" and not refused:
            left_s = min(timeout_s, REFUSED_S)
            return _routed(cluster, name, targets, generation, left_s, refused=True)
        done = [target_of(each) for each in status.get("traffic") or []]
        routed = shares_of(done) == wanted and tags <= {each.tag for each in done}
        if ready.get("status") == "True" and routed:
            return now
    raise DeploymentError(
        "traffic-not-routed",
        f"Knative does not route {name} as it was told",
        expected=_spelled(wanted),
        received=said,
        hint=f"what was routed before goes on; look at liteship versions {name} --on knative, then "
        f"ask again, or: liteship rollback {name} --on knative",
    )


def _changed(name: str, before: Routing | None, now: Routing) -> DeploymentError:
    return DeploymentError(
        "traffic-changed",
        f"somebody else has changed the traffic of {name} at the same moment",
        expected=_spelled(before.asked) if before else None,
        received=_spelled(now.asked),
        hint=f"look at liteship versions {name} --on knative, then decide again",
    )


def _spelled(shares: Mapping[str, int]) -> str:
    return ", ".join(
        f"{revision or 'the newest ready Revision'} {percent} %" for revision, percent in shares.items()
    )


def pin_traffic(cluster: Cluster, name: str) -> None:
    """Keeps the present division by Revisions' names: a new Revision gets no traffic by itself.

    Does nothing where nothing is deployed, or nothing has ever been ready.

    Raises:
        DeploymentError: `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    service = cluster.get(KNATIVE_SERVICE, name)
    if service is None:
        return
    now = routing_of(service)
    if now.follows_latest and now.percents:
        write_routing(cluster, name, now.percents, before=now)


def tag_newest(cluster: Cluster, name: str) -> None:
    """Gives the newest ready Revision its tag, `v` and the version; the division stays.

    Raises:
        DeploymentError: `function-not-deployed`, `traffic-changed`, `traffic-not-routed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    now = read_routing(cluster, name)
    write_routing(cluster, name, now.asked, before=now)
