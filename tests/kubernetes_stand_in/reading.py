"""Reads through the API that last: watches and logs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.logs import TIME_FORM
from tests.kubernetes_stand_in.pod_status import QUEUE_PROXY
from tests.kubernetes_stand_in.statuses import bad_request, expired, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.kubelet import Kubelet
    from tests.kubernetes_stand_in.logs import Log
    from tests.kubernetes_stand_in.requests import Query
    from tests.kubernetes_stand_in.store import Change, Store

WATCH_S = 1800.0
"""How long the API server watches for who names no time (--min-request-timeout)."""

POLL_S = 0.05


class Dropped(Exception):  # noqa: N818  # not an error of ours
    """The connection is to be cut without a word."""


class Reader:
    """Follows what happens."""

    def __init__(self, store: Store, kubelet: Kubelet, faults: Faults, ended: Event) -> None:
        self._store = store
        self._kubelet = kubelet
        self._faults = faults
        self._ended = ended

    def watch(self, query: Query) -> Iterator[bytes]:
        """Events as lines of JSON (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).

        Raises:
            Dropped: A fault says so.
        """
        drops = self._faults.take("drop_watches")
        left = self._faults.drop_after_events
        for event, thing in self._events(query):
            if drops and left == 0:
                raise Dropped
            left -= 1
            yield json.dumps({"type": event, "object": thing}).encode() + b"\n"

    def _events(self, query: Query) -> Iterator[tuple[str, Object]]:
        deadline = time.monotonic() + float(query.options.get("timeoutSeconds") or WATCH_S)
        said = query.options.get("resourceVersion", "")
        if self._faults.take("expire_watches"):
            self._store.expire()
            said = said or "1"
        with self._store.changed:
            present = self._store.of(query.resource) if said in {"", "0"} else []
            version = self._store.version if said in {"", "0"} else int(said)
        yield from (("ADDED", thing) for thing in present if query.selects(thing))
        while time.monotonic() < deadline and not self._ended.is_set():
            changes = self._changes_after(version, deadline)
            if changes is None:
                yield "ERROR", expired(version, self._store.oldest).status
                return
            for change in changes:
                version = change.version
                if change.key[:2] == query.key[:2] and query.selects(change.thing):
                    yield change.event, change.thing
        if query.is_on("allowWatchBookmarks"):
            about = {"apiVersion": query.resource.api_version, "kind": query.resource.kind}
            yield "BOOKMARK", about | {"metadata": {"resourceVersion": str(version)}}

    def _changes_after(self, version: int, deadline: float) -> list[Change] | None:
        """What has happened since a version, maybe nothing after a while; None: forgotten."""
        with self._store.changed:
            if version < self._store.oldest:
                return None
            changes = [each for each in self._store.history if each.version > version]
            if not changes:
                self._store.changed.wait(min(0.5, max(0.0, deadline - time.monotonic())))
            return changes

    def log(self, query: Query) -> Iterator[bytes]:
        """A container's log (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).

        Raises:
            Refusal: 400, 404 or 500.
        """
        self._faults.check_node(query.name)
        log = self._find_log(query)
        lines = [] if log is None else list(log.lines)
        taken = len(lines)
        if "sinceSeconds" in query.options:
            since = datetime.now(UTC) - timedelta(seconds=int(query.options["sinceSeconds"]))
            lines = [line for line in lines if line[0] >= since]
        if "tailLines" in query.options:
            tail = int(query.options["tailLines"])
            lines = lines[-tail:] if tail else []
        return self._lines(query, log, lines, taken)

    def _lines(
        self, query: Query, log: Log | None, lines: list[tuple[datetime, str]], taken: int
    ) -> Iterator[bytes]:
        drops, left = self._faults.take("drop_logs"), self._faults.drop_after_lines
        while True:
            for when, text in lines:
                if drops and left == 0:
                    raise Dropped
                left -= 1
                stamp = f"{when.strftime(TIME_FORM)} " if query.is_on("timestamps") else ""
                yield f"{stamp}{text}\n".encode()
            over = log is None or not log.is_alive()
            if not query.is_on("follow") or (over and (log is None or taken == len(log.lines))):
                return
            if self._ended.wait(POLL_S) or log is None:
                return
            lines = log.lines[taken:]
            taken += len(lines)

    def _find_log(self, query: Query) -> Log | None:
        pod = self._store.get(query.key)
        if pod is None:
            raise not_found(query.resource, query.name)
        names = [each["name"] for each in pod["spec"]["containers"]]
        wanted = query.options.get("container", "")
        if not wanted and len(names) > 1:
            raise bad_request(
                f"a container name must be specified for pod {query.name}, choose one of: "
                f"[{' '.join(names)}]"
            )
        wanted = wanted or names[0]
        if wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {query.name}")
        if wanted == QUEUE_PROXY:
            return None
        container = self._kubelet.container(pod)
        logs = container.logs if container else []
        if query.is_on("previous"):
            ended = logs[:-1] if logs and logs[-1].is_alive() else logs
            if not ended:
                raise bad_request(
                    f'previous terminated container "{wanted}" in pod "{query.name}" not found'
                )
            return ended[-1]
        if logs:
            return logs[-1]
        states = pod.get("status", {}).get("containerStatuses", [{}])
        reason = states[0].get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
        why = {
            "ImagePullBackOff": "trying and failing to pull image",
            "ErrImagePull": "image can't be pulled",
        }.get(reason, reason)
        raise bad_request(f'container "{wanted}" in pod "{query.name}" is waiting to start: {why}')
