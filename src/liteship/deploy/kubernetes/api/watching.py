"""Streams that outlive their connections: an object's changes, a container's log."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.refusals import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.deploy.kubernetes.api.connection import Connection, Request

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 4.0
"""Before a stream is begun anew, each pause twice the one before: a sick server is not pushed."""

SHORTEST_TIMEOUT_S = 5.0
"""For the last read before a watch ends: a slow answer then is no failure."""

WATCH_S = 60.0
"""How long one request watches: a connection that died in silence is noticed after it."""

IDLE_S = 60.0
"""How long a followed log may be silent before it is asked for anew, for the same reason."""

INTERNAL_ERROR = 500

LOG_ATTEMPTS = 6
"""How often in succession a log may break off without a new line."""

LONGEST_LINE_BYTES = 1 << 20
LONGEST_EVENT_BYTES = 16 << 20


def watch(
    connection: Connection, request: Request, *, timeout_s: float
) -> Iterator[dict[str, Any] | None]:
    """The one object of a list as it is, then after each change; None when it is not there.

    Whatever ends the stream of changes, the list is read again: that is right after 410 Gone, where
    changes were missed, and no worse after everything else.

    Args:
        connection: To the API server.
        request: The list.
        timeout_s: When it ends.

    Raises:
        ClusterError: The list cannot be read at first, or is refused later, or could not be read
            again until the end.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = FIRST_PAUSE_S
    given: str | None = None
    failure: ClusterError | None = None
    found: dict[str, Any] | None = connection.ask(request)
    while True:
        if found is not None:
            item = _only_item(found)
            if _version(item) != given:
                given = _version(item)
                yield item
            begun = time.monotonic()
            for changed in _changes(connection, request, _version(found), deadline):
                pause_s = FIRST_PAUSE_S
                given = _version(changed)
                yield changed
            if time.monotonic() - begun > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
        left_s = deadline - time.monotonic()
        if left_s > 0:
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            if failure is not None:
                raise failure
            return
        found, failure = _read_again(connection, request, left_s)


def _read_again(
    connection: Connection, request: Request, left_s: float
) -> tuple[dict[str, Any] | None, ClusterError | None]:
    """The list, or why it cannot be read now.

    Raises:
        ClusterError: Waiting does not help.
    """
    timeout_s = min(request.timeout_s, max(left_s, SHORTEST_TIMEOUT_S))
    try:
        return connection.ask(replace(request, timeout_s=timeout_s), attempts=1), None
    except ClusterError as error:
        if not _mends(error):
            raise
        return None, error


def _changes(
    connection: Connection, request: Request, version: str, deadline: float
) -> Iterator[dict[str, Any] | None]:
    """The object after each change since `version`, until the stream ends, however it does.

    Raises:
        ClusterError: It is refused.
    """
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        return
    query = {
        **request.query,
        "watch": "true",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(math.ceil(min(left_s, WATCH_S))),
    }
    action = replace(request.action, verb="watch")
    timeout_s = min(left_s, WATCH_S + 5)
    try:
        with connection.answer(
            replace(request, action=action, query=query, timeout_s=timeout_s)
        ) as answer:
            for line in _lines(answer, LONGEST_EVENT_BYTES):
                event = _event(line)
                kind = event.get("type")
                if kind in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif kind == "DELETED":
                    yield None
                elif kind != "BOOKMARK":  # ERROR, or a line that is none
                    return
                if time.monotonic() >= deadline:
                    return
    except ClusterError as error:
        if not _mends(error):
            raise


def read_log(connection: Connection, request: Request) -> Iterator[str]:
    """The lines of a log with their timestamps, each once, over as many connections as it takes.

    Args:
        connection: To the API server.
        request: The log, with timestamps.

    Raises:
        ClusterError: It is refused, or breaks off again and again.
    """
    seen = _Seen()
    pause_s = FIRST_PAUSE_S
    failures = 0
    while True:
        begun = time.monotonic()
        try:
            with connection.answer(seen.resumed(request)) as answer:
                for line in _lines(answer, LONGEST_LINE_BYTES):
                    text = line.decode(errors="replace")
                    if seen.is_new(text):
                        failures, pause_s = 0, FIRST_PAUSE_S
                        yield text
            return  # noqa: TRY300  # all of it is read
        except ClusterError as error:
            if error.status == 404 and seen.stamp:
                return  # the Pod went while nobody listened
            failures = 0 if time.monotonic() - begun >= request.timeout_s else failures + 1
            # The API server cannot reach the Pod's node, and has waited for that itself
            lost = error.status == INTERNAL_ERROR and not seen.stamp
            if lost or not _mends(error) or failures == LOG_ATTEMPTS:
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class _Seen:
    """How far a log was read.

    `sinceTime` counts in seconds, so what comes again has to be told from what is new: by the
    timestamps, in nanoseconds, and by how many lines there were with the last one.
    """

    def __init__(self) -> None:
        self.stamp = ""
        self._with_stamp = 0
        self._come_again = 0
        self._past = True

    def resumed(self, request: Request) -> Request:
        if not self.stamp:
            return request
        self._come_again = 0
        self._past = False
        query = {k: v for k, v in request.query.items() if k not in {"sinceSeconds", "tailLines"}}
        return replace(request, query={**query, "sinceTime": self.stamp})

    def is_new(self, line: str) -> bool:
        stamp = line.partition(" ")[0]
        moment = _moment(stamp)
        if moment is None:  # the kubelet's own word, such as that a file was rotated away
            return True
        if not self._past:
            if stamp == self.stamp and self._come_again < self._with_stamp:
                self._come_again += 1
                return False
            last = _moment(self.stamp)
            if last is not None and moment < last:
                return False
            self._past = True
        self._with_stamp = self._with_stamp + 1 if stamp == self.stamp else 1
        self.stamp = stamp
        return True


def _moment(stamp: str) -> tuple[datetime, str] | None:
    try:
        moment = datetime.fromisoformat(stamp)  # which leaves out what is below a microsecond
    except ValueError:
        return None
    return (moment, stamp) if moment.tzinfo else None


def _lines(answer: Any, longest_bytes: int) -> Iterator[bytes]:
    """The lines of a stream without their ends, each cut after `longest_bytes`."""
    begun = bytearray()
    for piece in answer.stream(1 << 16):
        *ends, rest = piece.split(b"\n")
        for end in ends:
            begun += end[: longest_bytes - len(begun)]
            yield bytes(begun)
            begun.clear()
        begun += rest[: longest_bytes - len(begun)]
    if begun:
        yield bytes(begun)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("object"), dict) else {}


def _only_item(found: dict[str, Any]) -> dict[str, Any] | None:
    items = found.get("items")
    return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else None


def _version(found: dict[str, Any] | None) -> str:
    metadata = (found or {}).get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""


def _mends(error: ClusterError) -> bool:
    """Whether waiting helps."""
    if error.again_after_s is not None or error.status == 410:
        return True
    return error.reference in {"cluster-busy", "cluster-unreachable"}
