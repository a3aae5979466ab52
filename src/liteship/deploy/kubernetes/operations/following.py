"""What the Pods of a function log from now on, as they come and go."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.operations.deployed import list_pods
from liteship.deploy.kubernetes.operations.logs import (
    NOT_FOUND,
    Line,
    Wanted,
    in_time,
    lines_of,
    no_pods,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.operations.logs import Tell
    from liteship.deploy.log_events import LogEvent

POLL_S = 2.0
"""How often Pods are looked for that have started meanwhile."""

GATHER_S = 0.1
"""How long lines of several Pods may take to arrive together."""


def follow_events(
    cluster: Cluster, wanted: Wanted, tell: Tell, poll_s: float = POLL_S
) -> Iterator[LogEvent]:
    """The lines of all Pods as they come, each once, without end; of Pods that start later, too.

    Those that arrive together are put in order of their time. Arguments as `read_events`.

    Raises:
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    arrived: queue.SimpleQueue[Line | ClusterError] = queue.SimpleQueue()
    followed: dict[str, _Follower] = {}
    alone = False
    while True:
        pods = list_pods(cluster, wanted.name, wanted.form, wanted.version)
        if not pods and not alone:
            tell(no_pods(wanted))
        alone = not pods
        for pod in pods:
            follower = _Follower(cluster, wanted, pod, arrived)
            followed.setdefault(pod["metadata"]["uid"], follower).go_on()
        for line in _until(arrived, time.monotonic() + poll_s):
            if wanted.text is None or wanted.text in line.message:
                yield line.event()


class _Follower:
    """Reads one Pod's log in a thread; again, where the stream ended and the Pod goes on.

    The thread ends with the command: it may wait in a socket for a line that never comes.
    """

    def __init__(
        self,
        cluster: Cluster,
        wanted: Wanted,
        pod: Mapping[str, Any],
        arrived: queue.SimpleQueue[Line | ClusterError],
    ) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._arrived = arrived
        self._last_ns = 0
        self._pod = pod
        self._thread: threading.Thread | None = None

    def go_on(self) -> None:
        """Reads on where that is not under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()

    def _read(self) -> None:
        known_ns = self._last_ns
        since_ms = max(self._wanted.since_ms, known_ns // 1_000_000)
        try:
            for line in lines_of(
                self._cluster, self._pod, self._wanted, since_ms=since_ms, follow=True
            ):
                if line.time_ns > known_ns:
                    self._last_ns = line.time_ns
                    self._arrived.put(line)
        except ClusterError as error:
            # A container that has not started, a Pod that has just gone, a connection that broke: the
            # next look at the Pods shows what became of it
            if 400 < error.status < 500 and error.status not in {NOT_FOUND, 429}:
                self._arrived.put(error)


def _until(arrived: queue.SimpleQueue[Line | ClusterError], deadline: float) -> Iterator[Line]:
    """What arrives until then, by time as far as it arrives together; signals are handled meanwhile.

    Raises:
        ClusterError: One that arrived.
    """
    while (left := deadline - time.monotonic()) > 0:
        try:
            together = [arrived.get(timeout=left)]
        except queue.Empty:
            return
        time.sleep(GATHER_S)
        while not arrived.empty():
            together.append(arrived.get())
        for each in together:
            if isinstance(each, ClusterError):
                raise each
        yield from sorted((each for each in together if isinstance(each, Line)), key=in_time)
