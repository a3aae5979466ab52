"""A Pod's status, as the kubelet writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.conditions import condition, set_condition
from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object

QUEUE_PROXY = "queue-proxy"
"""Knative's container beside the user's."""


def is_ready(pod: Object) -> bool:
    """Whether requests are sent to a Pod."""
    return condition(pod, "Ready")["status"] == "True" and "deletionTimestamp" not in pod["metadata"]


def show_unscheduled(pod: Object, message: str) -> None:
    """No node takes it."""
    pod.setdefault("status", {})["phase"] = "Pending"
    set_condition(pod, "PodScheduled", "False", "Unschedulable", message)


def show(pod: Object, state: Object, last_state: Object, *, restarts: int, ready: bool) -> None:
    """Writes what the user's container does into a Pod.

    Args:
        pod: Changed in place.
        state: With one of the keys waiting, running and terminated.
        last_state: That of the process before; empty for the first one.
        restarts: How often the container was started again.
        ready: Whether its probe is content.
    """
    user, *sidecars = pod["spec"]["containers"]
    status = pod.setdefault("status", {})
    status |= {
        "phase": "Running" if "running" in state or restarts else "Pending",
        "hostIP": "127.0.0.1",
        "podIP": "127.0.0.1",
        "startTime": status.get("startTime", now()),
    }
    status["containerStatuses"] = [
        _container(user, state, ready=ready) | {"restartCount": restarts, "lastState": last_state}
    ]
    running = {"running": {"startedAt": status["startTime"]}}
    status["containerStatuses"] += [_container(each, running, ready=ready) for each in sidecars]
    names = " ".join(each["name"] for each in pod["spec"]["containers"])
    said = ("True", "", "")
    if not ready:
        said = ("False", "ContainersNotReady", f"containers with unready status: [{names}]")
    set_condition(pod, "PodScheduled", "True")
    set_condition(pod, "Initialized", "True")
    set_condition(pod, "ContainersReady", *said)
    set_condition(pod, "Ready", *said)


def _container(container: Object, state: Object, *, ready: bool) -> Object:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": ready,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }
