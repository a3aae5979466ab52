"""A function's Revisions on Knative: what the command line calls versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.cluster import KNATIVE_SERVICE, REVISION
from liteship.deploy.kubernetes.labels import GENERATION_LABEL, SERVICE_LABEL, VERSION_LABEL
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster


TRANSIENT = frozenset({"Deploying", "MinimumReplicasUnavailable", "ResolvingDigests", "Unschedulable"})
"""Reasons for which a Revision is not ready, and that go by themselves: Pods start, or wait for room.
Some versions of Knative pass on that its Deployment lacks Pods, as any does while these start
(https://github.com/knative/serving/pull/14835)."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One Revision of a Knative Service.

    Attributes:
        name: `digits-v3-82eeb998`.
        version: The model's version, as its label says; empty for one that liteship did not make.
        created: When, ISO 8601.
        ready: Whether it can get traffic.
        reason: Why not; empty where it can.
        image: With its digest, where Knative has found one.
        percent: Its share of the traffic, 0 to 100, as Knative divides it now.
        tag: What precedes the Service's name in its own URL; empty without.
        url: That URL.
        latest: Whether it is the newest ready one, which Knative sends new traffic to unless told
            otherwise.
    """

    name: str
    version: str
    created: str
    ready: bool
    reason: str
    image: str
    percent: int
    tag: str
    url: str
    latest: bool

    @property
    def spelled(self) -> str:
        """How people call it: `v3`, or its own name where it has no version."""
        return f"v{self.version.removeprefix('v')}" if self.version else self.name


def read_service(cluster: Cluster, name: str) -> dict[str, Any]:
    """The Knative Service.

    Raises:
        DeploymentError: `function-not-deployed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    service = cluster.get(KNATIVE_SERVICE, name)
    if service is None:
        raise DeploymentError(
            "function-not-deployed",
            f"the namespace {cluster.namespace} has no Knative Service {name}",
            hint=f"liteship deploy {name} --to knative, or name another --namespace or --context",
        )
    return service


def list_revisions(
    cluster: Cluster, name: str, service: Mapping[str, Any] | None = None
) -> list[Revision]:
    """The Revisions of a function, newest first.

    Args:
        cluster: Where.
        name: The Knative Service.
        service: What it was when it was read, if it has been.

    Raises:
        DeploymentError: `function-not-deployed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    status = (service or read_service(cluster, name)).get("status") or {}
    found = cluster.list(REVISION, {SERVICE_LABEL: name})
    return [_revision(each, status) for each in sorted(found, key=_age, reverse=True)]


def _age(revision: Mapping[str, Any]) -> tuple[str, int]:
    """Sorts the oldest first; two of the same second by the Service's count of them."""
    metadata = revision["metadata"]
    number = (metadata.get("labels") or {}).get(GENERATION_LABEL, "")
    return metadata.get("creationTimestamp") or "", int(number) if number.isdecimal() else 0


def _revision(found: Mapping[str, Any], service_status: Mapping[str, Any]) -> Revision:
    metadata, status = found["metadata"], found.get("status") or {}
    name = metadata["name"]
    targets = [each for each in service_status.get("traffic") or [] if each.get("revisionName") == name]
    tagged: Mapping[str, str] = next((each for each in targets if each.get("tag")), {})
    reason = not_ready(found)
    return Revision(
        name=name,
        version=(metadata.get("labels") or {}).get(VERSION_LABEL, ""),
        created=metadata.get("creationTimestamp") or "",
        ready=not reason,
        reason=reason,
        image=_image(found["spec"], status),
        percent=sum(each.get("percent") or 0 for each in targets),
        tag=tagged.get("tag", ""),
        url=tagged.get("url", ""),
        latest=service_status.get("latestReadyRevisionName") == name,
    )


def condition(found: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One condition of an object's status; empty where the status does not have it."""
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def not_ready(revision: Mapping[str, Any]) -> str:
    """Why a Revision cannot get traffic; empty where it can."""
    ready = condition(revision, "Ready")
    if ready.get("status") == "True":
        return ""
    said = ": ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key))
    if ready.get("status") == "False":
        return said or "it failed"
    return f"not yet ready ({said})" if said else "not yet ready"


def _image(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    resolved = [each.get("imageDigest") for each in status.get("containerStatuses") or []]
    return str(next(filter(None, resolved), None) or spec["containers"][0]["image"])


def newest_ready(revisions: Iterable[Revision]) -> Revision | None:
    """The newest ready Revision, by Knative's own count where it has one."""
    ready = [each for each in revisions if each.ready]
    return next((each for each in ready if each.latest), ready[0] if ready else None)


def find_revision(revisions: Sequence[Revision], wanted: str) -> Revision:
    """The Revision that a word of the command line means.

    Args:
        revisions: Newest first.
        wanted: A version, `3` or `v3`, or a Revision's whole name. Where several Revisions have that
            version, the newest ready one of them.

    Raises:
        DeploymentError: `version-missing`.
    """
    for version in (wanted, wanted.removeprefix("v")):
        same = [each for each in revisions if each.version == version and version]
        if same:
            return next((each for each in same if each.ready), same[0])
    for each in revisions:
        if each.name == wanted:
            return each
    known = list(dict.fromkeys(each.spelled for each in revisions))
    raise DeploymentError(
        "version-missing",
        f"no Revision is version {wanted}, and none is called so",
        expected=f"one of {', '.join(known)}" if known else "nothing is deployed yet",
        received=wanted,
        hint="liteship versions NAME --on knative lists them",
    )


def require_ready(revision: Revision) -> None:
    """Refuses a Revision that cannot get traffic.

    Raises:
        DeploymentError: `version-not-ready`.
    """
    if not revision.ready:
        raise DeploymentError(
            "version-not-ready",
            f"{revision.spelled} ({revision.name}) cannot get traffic",
            received=revision.reason,
            hint="liteship versions NAME --on knative lists those that can; liteship logs NAME "
            "--on knative may say why this one cannot",
        )
