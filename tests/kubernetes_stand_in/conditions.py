"""Conditions of Kubernetes and of Knative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kubernetes_stand_in.kinds import Object


def condition(thing: Object, kind: str) -> Object:
    """One condition of an object; status Unknown where it has none such."""
    listed = thing.get("status", {}).get("conditions", [])
    return next((each for each in listed if each["type"] == kind), {"type": kind, "status": "Unknown"})


def set_condition(
    thing: Object, kind: str, status: str, reason: str = "", message: str = "", **more: str
) -> None:
    """Writes a condition; its time moves when its status does."""
    conditions = thing.setdefault("status", {}).setdefault("conditions", [])
    written = {"type": kind, "status": status, "lastTransitionTime": now(), **more}
    written |= {"reason": reason} if reason else {}
    written |= {"message": message} if message else {}
    for index, each in enumerate(conditions):
        if each["type"] == kind:
            if each["status"] == status:
                written["lastTransitionTime"] = each["lastTransitionTime"]
            conditions[index] = written
            return
    conditions.append(written)
    conditions.sort(key=lambda each: str(each["type"]))


def sum_up(thing: Object, parts: Sequence[str]) -> None:
    """Knative's Ready: what is False decides, then what is Unknown.

    https://github.com/knative/pkg/blob/main/apis/condition_set.go

    Args:
        thing: Changed in place.
        parts: The conditions that count, the one that its controller writes last first: that one's
            reason is seen.
    """
    found = [condition(thing, part) for part in parts]
    for status in ("False", "Unknown"):
        for each in found:
            if each["status"] == status:
                set_condition(thing, "Ready", status, each.get("reason", ""), each.get("message", ""))
                return
    set_condition(thing, "Ready", "True")
