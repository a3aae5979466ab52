"""What events say of objects that are not ready: the last resort, where no status explains it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.cluster import EVENT
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.rollout.reasons import Reason, pods_refused, short, unschedulable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster, Kind

    Object = Mapping[str, Any]

TELLING_EVENTS = ("FailedCreate", "FailedScheduling", "FailedMount", "Unhealthy")
"""The reasons of events that explain what no status does, the most telling first."""


def event_reasons(cluster: Cluster, kinds_and_names: Collection[tuple[str, str]]) -> list[Reason]:
    """What events say of objects, the most telling first. They stay for an hour: none is final."""
    found = [
        each
        for each in list_if_allowed(cluster, EVENT)
        if each.get("type") == "Warning"
        and (each["involvedObject"].get("kind"), each["involvedObject"].get("name")) in kinds_and_names
        and each.get("reason") in TELLING_EVENTS
    ]
    newest = {each["reason"]: each for each in sorted(found, key=_when)}
    reasons = []
    for why in TELLING_EVENTS:
        if why in newest:
            event = newest[why]
            name, said = event["involvedObject"]["name"], str(event.get("message"))
            if why == "FailedCreate":
                reason = pods_refused(said)
            elif why == "FailedScheduling":
                reason = unschedulable(name, said)
            else:
                reason = Reason(
                    reference="readiness-fails" if why == "Unhealthy" else "volume-not-mounted",
                    said=f"the Pod {name}: {short(said)}",
                    hint=f"kubectl describe pod {name}; kubectl logs {name}",
                    final=False,
                )
            reasons.append(replace(reason, final=False))
    return reasons


def list_if_allowed(
    cluster: Cluster, kind: Kind, labels: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The objects, or none where listing them is forbidden: then less is known, and nothing broken."""
    try:
        return cluster.list(kind, labels or {})
    except ClusterError as error:
        if error.status != 403:
            raise
        return []


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
