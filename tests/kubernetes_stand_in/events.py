"""Events: what controllers and the kubelet tell about an object."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.kinds import EVENT
from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store


def tell(store: Store, about: Object, kind: str, reason: str, message: str, source: str) -> None:
    """Writes an Event, or counts one up that says the same.

    Args:
        store: Where Events are.
        about: The object.
        kind: Normal or Warning.
        reason: One word.
        message: For people.
        source: Who says so: kubelet, deployment-controller.
    """
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    with store.changed:
        for event in store.selected(EVENT, namespace, {}):
            same = event["reason"] == reason and event["message"] == message
            if same and event["involvedObject"]["uid"] == metadata["uid"]:
                event |= {"count": event["count"] + 1, "lastTimestamp": now()}
                store.replace(event)
                return
        store.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}",
                    "namespace": namespace,
                },
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": metadata["name"],
                    "namespace": namespace,
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                },
                "type": kind,
                "reason": reason,
                "message": message,
                "source": {"component": source},
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            }
        )
