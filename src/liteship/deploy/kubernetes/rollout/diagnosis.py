"""What is looked at to find out why a Revision or a rollout is not ready, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.addresses import is_ready
from liteship.deploy.kubernetes.api.cluster import POD, REPLICA_SET, REVISION
from liteship.deploy.kubernetes.labels import NAME_LABEL, REVISION_LABEL
from liteship.deploy.kubernetes.rollout.event_reasons import event_reasons, list_if_allowed
from liteship.deploy.kubernetes.rollout.pod_reasons import pod_reasons
from liteship.deploy.kubernetes.rollout.reasons import (
    Reason,
    image_not_pullable,
    pods_refused,
    unschedulable,
)
from liteship.deploy.kubernetes.traffic.revisions import TRANSIENT, condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster

    Object = Mapping[str, Any]


ROLLOUT_NUMBER = "deployment.kubernetes.io/revision"
"""An annotation of ReplicaSets: the newest has the greatest
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/)."""

HEALING = TRANSIENT | {"OutOfDate", "TrafficNotMigrated"}
"""Reasons of Knative's that go by themselves. So does that of a container that ended (`ExitCode1`): it
is started again."""


def revision_reasons(cluster: Cluster, name: str, revision: str, service: Object) -> list[Reason]:
    """Why a Revision is not ready, as its Pods, Knative and events say.

    Args:
        cluster: Where.
        name: The Knative Service, and the container in its Pods.
        revision: The Revision's name; there may be none yet.
        service: The live Service.

    Raises:
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    found = cluster.get(REVISION, revision)
    pods = list_if_allowed(cluster, POD, {REVISION_LABEL: revision})
    reasons = pod_reasons(cluster, pods, name)
    reasons += _condition_reasons(name, revision, service, found, known=bool(reasons))
    if not reasons:
        sets = list_if_allowed(cluster, REPLICA_SET, {REVISION_LABEL: revision})
        reasons = event_reasons(cluster, {*_named("Pod", pods), *_named("ReplicaSet", sets)})
    return _told_once(reasons)


def _condition_reasons(
    name: str, revision: str, service: Object, found: Object | None, *, known: bool
) -> list[Reason]:
    """What Knative itself says is wrong.

    The Service's conditions repeat those of its Configuration and its Route, in their words
    (https://knative.dev/docs/serving/troubleshooting/debugging-application-issues/).
    """
    reasons: list[Reason] = []
    observed = (service.get("status") or {}).get("observedGeneration")
    if observed != service["metadata"].get("generation"):
        return reasons  # what it says is about the state before
    routed = condition(service, "RoutesReady")
    if routed.get("reason") == "RevisionNameTaken":  # whatever else it says is about another Revision
        return [_condition_reason(name, revision, "RevisionNameTaken", routed.get("message", ""))]
    for item, types in (
        (found or {}, ("ResourcesAvailable", "ContainerHealthy")),
        (service, ("ConfigurationsReady", "RoutesReady")),
    ):
        for each in types:
            said = condition(item, each)
            why, message = said.get("reason", ""), said.get("message", "")
            # A Configuration repeats what its Revision says, and a Route that has no ready Revision
            # says RevisionMissing, too: consequences of what is known already
            repeated = why == "RevisionFailed" or (
                why == "RevisionMissing" and "referenced in traffic" not in message
            )
            if said.get("status") == "False" and not (repeated and (known or reasons)):
                reasons.append(_condition_reason(name, revision, why, message))
    return reasons


def _condition_reason(name: str, revision: str, why: str, message: str) -> Reason:
    if why == "FailedCreate":
        return pods_refused(message)
    if why == "Unschedulable":
        return unschedulable(f"of {revision}", message)
    if why in {"ContainerMissing", "ImagePullBackOff", "ErrImagePull"}:
        # Knative asks the registry for the digest of a tag, before there is a Pod
        return image_not_pullable(f"of {revision}", message, final=True)
    if why == "RevisionNameTaken":
        return Reason(
            reference="revision-name-taken",
            said=message or f"the Revision {revision} is there already, with another template",
            hint=f"where nobody needs that one, kubectl delete revision {revision}; then deploy again",
            final=True,
        )
    if why == "RevisionMissing":
        return Reason(
            reference="revision-missing",
            said=f"traffic is to go to a Revision that is not there: {message}",
            hint=f"liteship promote {name} --on knative sends all of it to the newest ready one",
            final=True,
        )
    return Reason(
        reference="revision-failed",
        said=f"Knative says of {revision}: {why}{': ' if why and message else ''}{message}",
        hint=f"kubectl describe revision {revision}; then deploy again",
        final=why not in HEALING and not why.startswith("ExitCode"),
    )


def rollout_reasons(
    cluster: Cluster, name: str, deployment: Object, *, begun_before: bool = False
) -> list[Reason]:
    """Why a Deployment's newest Pods are not ready, as they, the Deployment and events say.

    Args:
        cluster: Where.
        name: The Deployment, and the container in its Pods.
        deployment: The live object.
        begun_before: Whether the rollout began before this deployment, and may have been stuck.

    Raises:
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    sets = [
        each
        for each in list_if_allowed(cluster, REPLICA_SET, {NAME_LABEL: name})
        if _is_owned(each, {name})
    ]
    newest = sorted(sets, key=_number)[-1:]
    owners = {each["metadata"]["name"] for each in newest}
    # The Pods of the version before may be in trouble, too: that is not what is waited for
    every = list_if_allowed(cluster, POD, {NAME_LABEL: name})
    pods = [each for each in every if _is_owned(each, owners)]
    before = {each["metadata"]["name"] for each in sets} - owners
    older = [each for each in every if _is_owned(each, before)]
    reasons = pod_reasons(cluster, pods, name)
    reasons += _deployment_reasons(
        name, deployment, begun_before=begun_before, moving=_is_moving(pods, older)
    )
    if not reasons:
        reasons = event_reasons(cluster, {*_named("Pod", pods), *_named("ReplicaSet", newest)})
    return reasons


def _deployment_reasons(
    name: str, deployment: Object, *, begun_before: bool, moving: bool
) -> list[Reason]:
    """What the Deployment's own conditions say."""
    reasons: list[Reason] = []
    observed = (deployment.get("status") or {}).get("observedGeneration", 0)
    if observed < deployment["metadata"].get("generation", 0):
        return reasons  # what it says is about the state before
    if deployment["spec"].get("paused"):
        reasons.append(
            Reason(
                reference="rollout-paused",
                said=f"the Deployment {name} is paused: Kubernetes replaces none of its Pods",
                hint=f"kubectl rollout resume deployment/{name}; then deploy again",
                final=True,
            )
        )
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        refused = pods_refused(str(failure.get("message") or failure.get("reason")))
        reasons.append(replace(refused, final=not moving))
    progressing = condition(deployment, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        said = progressing.get("message") or "the rollout made no progress for too long"
        reasons.append(
            Reason(
                reference="rollout-stuck",
                said=f"Kubernetes says: {said}",
                hint=f"kubectl describe deployment {name}",
                final=not begun_before,
            )
        )
    return reasons


def _is_moving(pods: Sequence[Object], older: Sequence[Object]) -> bool:
    """Whether old Pods make room for new ones: as long as a Pod ends, a quota counts it."""
    ending = any("deletionTimestamp" in each["metadata"] for each in (*pods, *older))
    return ending or bool(older and any(map(is_ready, pods)))


def _told_once(reasons: list[Reason]) -> list[Reason]:
    """Without what Knative only repeats of its Pods, where these say it better."""
    of_pods = {"container-exits", "container-out-of-memory", "image-not-pullable", "readiness-fails"}
    known = {each.reference for each in reasons}
    if known & of_pods or "pods-refused" in known or "quota-exceeded" in known:
        reasons = [each for each in reasons if each.reference != "revision-failed"]
    return reasons


def _named(kind: str, items: Iterable[Object]) -> set[tuple[str, str]]:
    return {(kind, each["metadata"]["name"]) for each in items}


def _is_owned(item: Object, owners: set[str]) -> bool:
    references = item["metadata"].get("ownerReferences") or []
    return any(each["name"] in owners and each.get("controller") for each in references)


def _number(replica_set: Object) -> int:
    number = (replica_set["metadata"].get("annotations") or {}).get(ROLLOUT_NUMBER, "")
    return int(number) if number.isdecimal() else 0
