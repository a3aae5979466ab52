"""Waits until what was applied is ready, and says why where it is not.

The objects are watched; between, the Pods are looked at, as they know sooner than any condition above
them, and in their own words, what is the matter.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, KNATIVE_SERVICE, REVISION
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.rollout.diagnosis import revision_reasons, rollout_reasons
from liteship.deploy.kubernetes.traffic.revisions import condition
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster, Kind
    from liteship.deploy.kubernetes.rollout.reasons import Reason

    Object = Mapping[str, Any]
    Listener = Callable[[str], None]

LOOK_S = 2.0
"""Between two looks at the Pods."""

FINAL_LOOKS = 3
"""Looks, one after the other, that must find the same final reason: a first failure may heal."""


def wait_for_revision(
    cluster: Cluster, name: str, revision: str, *, timeout_s: float, said: Listener
) -> dict[str, Any]:
    """Waits until Knative has made a Revision ready and would send it traffic.

    Args:
        cluster: Where.
        name: The Knative Service.
        revision: The Revision's name, as the manifest asks for it.
        timeout_s: How long at most.
        said: Told what it waits for.

    Returns:
        The live Service.

    Raises:
        DeploymentError: `not-ready-in-time`, or a reason's own reference; see `reasons`.
        ClusterError: Nothing can be read there any more.
    """

    def is_ready(service: Object) -> bool:
        status = service.get("status") or {}
        return (
            status.get("observedGeneration") == service["metadata"].get("generation")
            and status.get("latestReadyRevisionName") == revision
            and condition(service, "Ready").get("status") == "True"
        )

    def progress(service: Object) -> str:
        found = cluster.get(REVISION, revision)
        ready = condition(found or service, "Ready")
        what = f"the Revision {revision}" if found is not None else f"the Service {name}"
        return f"waiting for {what}: {ready.get('reason') or 'being made'}"

    def reasons(service: Object) -> list[Reason]:
        return revision_reasons(cluster, name, revision, service)

    def stands() -> str:
        service = cluster.get(KNATIVE_SERVICE, name) or {}
        before = (service.get("status") or {}).get("latestReadyRevisionName")
        if not before or before == revision:
            return "there is no Revision before it: nobody is answered yet"
        return f"the traffic goes on as before, to {before}"

    waiting = _Waiting(cluster, KNATIVE_SERVICE, name, is_ready, progress, reasons)
    return waiting.wait(f"the Revision {revision}", timeout_s, said, stands)


def wait_for_rollout(
    cluster: Cluster, name: str, *, timeout_s: float, said: Listener, begun_before: bool = False
) -> dict[str, Any]:
    """Waits until all Pods of a Deployment are of its newest template, and take requests.

    Args:
        cluster: Where.
        name: The Deployment.
        timeout_s: How long at most.
        said: Told how far it is.
        begun_before: Whether the rollout is one of an earlier deployment's: that it made no progress
            for too long says nothing about now.

    Returns:
        The live Deployment.

    Raises:
        DeploymentError: As `wait_for_revision`.
        ClusterError: Nothing can be read there any more.
    """

    def progress(deployment: Object) -> str:
        status = deployment.get("status") or {}
        new, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        old = status.get("replicas", 0) - new
        wanted = deployment["spec"].get("replicas", 1)
        still = f", and {old} of the version before run still" if old > 0 else ""
        return f"{new} of {wanted} Pods are new, {available} in all take requests{still}"

    def reasons(deployment: Object) -> list[Reason]:
        return rollout_reasons(cluster, name, deployment, begun_before=begun_before)

    def stands() -> str:
        deployment = cluster.get(DEPLOYMENT, name) or {}
        available = (deployment.get("status") or {}).get("availableReplicas", 0)
        return f"{available} Pods take requests; those of the version before stay until new ones do"

    waiting = _Waiting(cluster, DEPLOYMENT, name, is_rolled_out, progress, reasons)
    return waiting.wait(f"the Deployment {name}", timeout_s, said, stands)


def is_rolled_out(deployment: Object) -> bool:
    """Whether all Pods are new and take requests, and no old one is left."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    new = status.get("updatedReplicas", 0)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and new >= wanted
        and status.get("replicas", 0) <= new
        and status.get("availableReplicas", 0) >= new
    )


class _Waiting:
    """One wait: the object that is watched, and how it is judged."""

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        name: str,
        is_ready: Callable[[Object], bool],
        progress: Callable[[Object], str],
        reasons: Callable[[Object], list[Reason]],
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._name = name
        self._is_ready = is_ready
        self._progress = progress
        self._reasons = reasons

    def wait(
        self, what: str, timeout_s: float, said: Listener, stands: Callable[[], str]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        told = ""
        found: list[Reason] = []
        finals: list[set[str]] = []
        while True:
            try:
                live = self._watch_until(min(time.monotonic() + LOOK_S, deadline))
                if self._is_ready(live):
                    return live
                line = self._progress(live)
                found = self._reasons(live)
            except ClusterError as error:
                # A server that is restarted, or has much to do, answers later
                if 400 <= error.status < 500 and error.status != 429:
                    raise
                line = error.message
            if found:
                line = f"{line}; {found[0].said}"
            if line != told:
                said(line)
                told = line
            finals = [*finals, {each.reference for each in found if each.final}][-FINAL_LOOKS:]
            lasting = set.intersection(*finals) if len(finals) == FINAL_LOOKS else set()
            if lasting or time.monotonic() >= deadline:
                raise _not_ready(what, found, lasting, timeout_s, stands())

    def _watch_until(self, until: float) -> dict[str, Any]:
        live: dict[str, Any] | None = None
        left_s = max(until - time.monotonic(), 0.1)
        for live in self._cluster.watch(self._kind, self._name, timeout_s=left_s):
            if live is None or self._is_ready(live):
                break
        if live is None:
            raise DeploymentError(
                "deleted-meanwhile",
                f"the {self._kind.kind} {self._name} is gone: somebody else has deleted it",
                hint="find out who, then deploy again",
            )
        return live


def _not_ready(
    what: str, found: list[Reason], lasting: set[str], timeout_s: float, stands: str
) -> DeploymentError:
    if lasting:
        (reason, *_) = (each for each in found if each.reference in lasting)
        reference, message = reason.reference, f"{what} does not become ready; {stands}"
    else:
        reason = found[0] if found else None  # type: ignore[assignment]
        reference, message = "not-ready-in-time", f"{what} is not ready after {timeout_s:g} s; {stands}"
    hint = reason.hint if reason else "look at kubectl get events; then wait longer with --timeout-s"
    return DeploymentError(
        reference, message, problems=list(dict.fromkeys(each.said for each in found)), hint=hint
    )
