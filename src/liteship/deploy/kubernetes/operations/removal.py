"""Deleting a function from a cluster, and waiting until nothing of it is left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.cluster import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    KNATIVE_SERVICE,
    NETWORK_POLICY,
    POD,
    REVISION,
    SERVICE,
    Kind,
)
from liteship.deploy.kubernetes.labels import MANAGER, MANAGER_LABEL, SERVICE_LABEL
from liteship.deploy.kubernetes.operations.deployed import Form, list_pods
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster

    Progress = Callable[[str, int, int], None]

STAGES = {"delete": "deleting what is on the cluster"}
"""What `delete_objects` reports."""

POLL_S = 1.0

PATIENCE_S = 180.0
"""A Pod answers what is in flight first: it has `timeoutSeconds` for that, 60 by default."""

KINDS: dict[Form, tuple[Kind, ...]] = {
    "knative": (KNATIVE_SERVICE,),
    "kubernetes": (AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE, DEPLOYMENT),
}
"""What the manifests of each form make, in the order of deletion: what acts on the Pods goes first."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object of a function.

    Attributes:
        kind: What it is.
        name: Its name.
        made: When, ISO 8601.
        finalizers: Who has to agree before it goes.
        direct: Whether liteship made it; what was made because of that goes by itself.
    """

    kind: Kind
    name: str
    made: str
    finalizers: tuple[str, ...]
    direct: bool

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.name}"


def find_objects(cluster: Cluster, name: str, form: Form) -> list[Found]:
    """What a function is on a cluster, down to its Pods; empty where there is nothing.

    Args:
        cluster: Where.
        name: The function.
        form: As which it was deployed: one may stand there in both.

    Raises:
        DeploymentError: `not-ours`, where an object of that name is somebody else's.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    present = [(kind, cluster.get(kind, name)) for kind in KINDS[form]]
    own = [
        (kind, found)
        for kind, found in present
        # Knative makes a Service of the same name, which goes with its own
        if found is not None and not _is_dependent(found)
    ]
    foreign = [(kind, found) for kind, found in own if _manager(found) != MANAGER]
    if foreign:
        raise DeploymentError(
            "not-ours",
            f"not everything named {name} in the namespace {cluster.namespace} is liteship's",
            problems=[
                f"{kind.kind} {name}: {MANAGER_LABEL} is {_manager(found) or 'not there'}"
                for kind, found in foreign
            ],
            expected=f"the label {MANAGER_LABEL}: {MANAGER} on each",
            hint=f"look at it: kubectl get {foreign[0][0].resource} {name} -o yaml; nothing is deleted",
        )
    objects = [_found(kind, found, direct=True) for kind, found in own]
    return objects + _dependents(cluster, name, form)


def delete_objects(
    cluster: Cluster,
    name: str,
    form: Form,
    objects: Sequence[Found],
    report: Progress,
    patience_s: float = PATIENCE_S,
) -> None:
    """Deletes what `find_objects` found, and waits until nothing of it is there.

    Interrupted, or where its time is over, it can be called again.

    Args:
        cluster: Where.
        name: The function.
        form: As which it was deployed.
        objects: What was found.
        report: Told stage, objects that are gone and objects in all.
        patience_s: How long.

    Raises:
        DeploymentError: `deletion-timeout`, with what is left and its finalizers.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    deadline = time.monotonic() + patience_s
    for each in objects:
        if each.direct:
            cluster.delete(each.kind, each.name)
    while left := find_objects(cluster, name, form):
        report("delete", max(0, len(objects) - len(left)), len(objects))
        if time.monotonic() >= deadline:
            raise _timeout(cluster, name, left, patience_s)
        time.sleep(POLL_S)
    report("delete", len(objects), len(objects))


def _dependents(cluster: Cluster, name: str, form: Form) -> list[Found]:
    revisions = cluster.list(REVISION, {SERVICE_LABEL: name}) if form == "knative" else []
    found = [_found(REVISION, each, direct=False) for each in revisions]
    return found + [_found(POD, each, direct=False) for each in list_pods(cluster, name, form)]


def _found(kind: Kind, found: Mapping[str, Any], *, direct: bool) -> Found:
    metadata = found["metadata"]
    return Found(
        kind=kind,
        name=metadata["name"],
        made=str(metadata.get("creationTimestamp") or ""),
        finalizers=tuple(metadata.get("finalizers") or ()),
        direct=direct,
    )


def _is_dependent(found: Mapping[str, Any]) -> bool:
    return any(each.get("controller") for each in found["metadata"].get("ownerReferences") or [])


def _manager(found: Mapping[str, Any]) -> str:
    return str((found["metadata"].get("labels") or {}).get(MANAGER_LABEL, ""))


def _timeout(cluster: Cluster, name: str, left: Sequence[Found], patience_s: float) -> DeploymentError:
    held = next((each for each in left if each.finalizers), left[0])
    return DeploymentError(
        "deletion-timeout",
        f"{name} is being deleted, but not all of it is gone after {patience_s:.0f} s",
        problems=[
            f"{each} waits for {', '.join(each.finalizers)}" if each.finalizers else f"{each} is there"
            for each in left
        ],
        hint=f"see what holds it: kubectl describe {held.kind.resource} {held.name} "
        f"-n {cluster.namespace}; then run liteship delete again",
    )
