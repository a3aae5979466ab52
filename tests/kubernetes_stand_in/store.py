"""The objects of the cluster, their versions, and what has happened to them."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.kubernetes_stand_in.kinds import Key, Object, Resource, key_of

FIRST_VERSION = 1000


@dataclass(frozen=True)
class Change:
    """One entry of the history that watches read: ADDED, MODIFIED or DELETED."""

    version: int
    event: str
    key: Key
    thing: Object


class Store(Mapping[Key, Object]):
    """Objects by key; what comes out is a copy.

    `changed` is notified after each change; whoever reads several things that must agree holds it.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = FIRST_VERSION
        self.oldest = FIRST_VERSION
        self.history: list[Change] = []
        self._objects: dict[Key, Object] = {}

    def __getitem__(self, key: Key) -> Object:
        with self.changed:
            return copy.deepcopy(self._objects[key])

    def __iter__(self) -> Iterator[Key]:
        with self.changed:
            return iter(list(self._objects))

    def __len__(self) -> int:
        return len(self._objects)

    def of(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """The objects of one kind, by namespace and name."""
        return self.selected(resource, namespace, {})

    def selected(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> list[Object]:
        """The objects of one kind with all these labels, by namespace and name."""
        with self.changed:
            return [
                copy.deepcopy(thing)
                for key, thing in sorted(self._objects.items())
                if key[:2] == (resource.api_version, resource.kind)
                and namespace in {None, key[2]}
                and labels.items() <= thing["metadata"].get("labels", {}).items()
            ]

    def create(self, thing: Object) -> Object:
        """Adds an object; gives it as it is stored."""
        with self.changed:
            made = copy.deepcopy(thing)
            made["metadata"] |= {
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
                "generation": 1,
            }
            return self._record("ADDED", made)

    def replace(self, thing: Object) -> Object:
        """Writes an object that exists; nothing happens where nothing is another."""
        with self.changed:
            key = key_of(thing)
            live = self._objects[key]
            made = copy.deepcopy(thing)
            for name in ("uid", "creationTimestamp", "generation", "resourceVersion"):
                made["metadata"][name] = live["metadata"][name]
            if _content(made) == _content(live):
                return copy.deepcopy(live)
            if "deletionTimestamp" in live["metadata"] and _finalized(live) and not _finalized(made):
                self._objects[key] = made
                return self.remove(key) or made
            if _desired(made) != _desired(live):
                made["metadata"]["generation"] += 1
            return self._record("MODIFIED", made)

    def edit(self, key: Key, change: Callable[[Object], None]) -> Object | None:
        """Lets a controller change an object in place; None where it is gone."""
        with self.changed:
            if key not in self._objects:
                return None
            thing = self[key]
            change(thing)
            return self.replace(thing)

    def remove(self, key: Key, *, final: bool = False) -> Object | None:
        """Deletes an object, and in the background what it owns.

        A Pod is only marked: it goes when its process has ended, which `final` says. So is what has
        finalizers (https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/).
        """
        with self.changed:
            if key not in self._objects:
                return None
            held = self._objects[key]["metadata"].get("finalizers")
            if held or (key[1] == "Pod" and not final):
                return self.edit(key, _mark)
            thing = self._objects.pop(key)
            self.version += 1
            gone = copy.deepcopy(thing)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._remember(Change(self.version, "DELETED", key, gone))
            uid = thing["metadata"]["uid"]
            for dependent in [other for other, each in self._objects.items() if _owned(each, uid)]:
                self.remove(dependent)
            return gone

    def expire(self) -> None:
        """Forgets the history, as etcd's compaction does: a watch from before is 410 Gone."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history.clear()
            self.changed.notify_all()

    def _record(self, event: str, thing: Object) -> Object:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        key = key_of(thing)
        self._objects[key] = thing
        self._remember(Change(self.version, event, key, copy.deepcopy(thing)))
        return copy.deepcopy(thing)

    def _remember(self, change: Change) -> None:
        self.history.append(change)
        self.changed.notify_all()


def now() -> str:
    """Kubernetes' form of a time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _content(thing: Object) -> Object:
    """What counts as a change: not when a manager last wrote."""
    metadata = dict(thing["metadata"])
    metadata["managedFields"] = [
        {name: value for name, value in entry.items() if name != "time"}
        for entry in metadata.get("managedFields", [])
    ]
    return thing | {"metadata": metadata}


def _desired(thing: Object) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name not in {"metadata", "status"}}


def _mark(pod: Object) -> None:
    pod["metadata"].setdefault("deletionTimestamp", now())
    grace_s = pod["spec"].get("terminationGracePeriodSeconds", 30)
    pod["metadata"].setdefault("deletionGracePeriodSeconds", grace_s)


def _finalized(thing: Object) -> bool:
    return bool(thing["metadata"].get("finalizers"))


def _owned(thing: Object, uid: str) -> bool:
    return any(each["uid"] == uid for each in thing["metadata"].get("ownerReferences", []))
