"""What the Pods of a function have logged, merged by time."""

from __future__ import annotations

import datetime as dt
import heapq
import math
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.operations.deployed import Form, list_pods, version_of
from liteship.deploy.log_events import LogEvent
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster

    Tell = Callable[[str], None]

BAD_REQUEST, NOT_FOUND, INTERNAL_ERROR = 400, 404, 500
"""What is answered for a container without a log yet, for a Pod that is gone, and where a node does not
answer the API server."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines.

    Attributes:
        name: The function, and its container in the Pods.
        form: How it is deployed.
        since_ms: From when on, milliseconds since 1970; Kubernetes counts whole seconds.
        text: Only lines that hold it.
        version: Only Pods of this version, or of the Revision of this name.
    """

    name: str
    form: Form
    since_ms: int
    text: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of one Pod; nanoseconds since 1970."""

    time_ns: int
    pod: str
    version: str
    message: str

    def event(self) -> LogEvent:
        """The line as every platform prints it."""
        return LogEvent(
            id=f"{self.pod}@{self.time_ns}",
            time_ms=self.time_ns // 1_000_000,
            stream=self.pod,
            message=self.message,
            version=self.version,
        )


def read_events(cluster: Cluster, wanted: Wanted, tell: Tell) -> Iterator[LogEvent]:
    """The lines of all Pods that there are, by time.

    Args:
        cluster: Where.
        wanted: Which lines.
        tell: Told what has no lines, in a sentence for people.

    Raises:
        DeploymentError: `container-waiting`, where every Pod is one that has not started.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    pods = list_pods(cluster, wanted.name, wanted.form, wanted.version)
    if not pods:
        tell(no_pods(wanted))
    for line in heapq.merge(*_streams(cluster, pods, wanted, tell), key=in_time):
        if wanted.text is None or wanted.text in line.message:
            yield line.event()


def _streams(
    cluster: Cluster, pods: Sequence[Mapping[str, Any]], wanted: Wanted, tell: Tell
) -> list[Iterator[Line]]:
    """The lines of each Pod that has a log.

    Raises:
        DeploymentError: `container-waiting`.
        ClusterError: None can be read.
    """
    streams, waiting = [], []
    unread: ClusterError | None = None
    for pod in pods:
        name = pod["metadata"]["name"]
        try:
            streams.append(_opened(cluster, pod, wanted))
        except ClusterError as error:
            if error.status == BAD_REQUEST:
                waiting.append(f"{name}: {_why_waiting(pod, wanted.name, error)}")
            elif error.status >= INTERNAL_ERROR:
                # The API server fails with what it should read on one node: other nodes answer
                unread = error
                tell(f"the log of {name} cannot be read: {error.received}")
            else:
                raise
    if unread is not None and not streams:
        raise unread
    if waiting and not streams:
        raise DeploymentError(
            "container-waiting",
            f"no container of {wanted.name} has started, so none has a log",
            problems=waiting,
            hint="liteship logs --follow waits for it; where the reason stays, correct what it names",
        )
    for each in waiting:
        tell(f"no log yet: {each}")
    return streams


def no_pods(wanted: Wanted) -> str:
    """Why there is no line."""
    of = f" of version {wanted.version}" if wanted.version else ""
    zero = ": scaled to zero" if wanted.form == "knative" else ""
    return f"no Pod of {wanted.name}{of} runs{zero}"


def _opened(cluster: Cluster, pod: Mapping[str, Any], wanted: Wanted) -> Iterator[Line]:
    """One Pod's lines, of which the first is read now: what is refused is known here."""
    lines = lines_of(cluster, pod, wanted, previous=_restarts(pod, wanted.name) > 0)
    try:
        return chain([next(lines)], lines)
    except StopIteration:
        return iter(())
    except ClusterError as error:
        if error.status == NOT_FOUND:  # gone since the Pods were listed
            return iter(())
        raise


def in_time(line: Line) -> int:
    """Sorts lines."""
    return line.time_ns


def lines_of(
    cluster: Cluster,
    pod: Mapping[str, Any],
    wanted: Wanted,
    *,
    since_ms: int | None = None,
    follow: bool = False,
    previous: bool = False,
) -> Iterator[Line]:
    """One Pod's lines; with `previous`, those of the container that failed come first."""
    name, version = pod["metadata"]["name"], version_of(pod)
    age_s = time.time() - (wanted.since_ms if since_ms is None else since_ms) / 1000
    # Counted from the node's clock: a second more
    since_s = max(1, math.ceil(age_s) + 1)
    if previous:
        try:
            for text in cluster.logs(name, wanted.name, previous=True, since_s=since_s):
                yield _parsed(text, name, version)
        except ClusterError as error:
            if error.status not in {BAD_REQUEST, NOT_FOUND}:  # the kubelet keeps no old log
                raise
    for text in cluster.logs(name, wanted.name, follow=follow, since_s=since_s):
        yield _parsed(text, name, version)


def _parsed(text: str, pod: str, version: str) -> Line:
    """A line as `timestamps=true` gives it: RFC 3339 with nanoseconds, a space, what was written."""
    stamp, _, message = text.rstrip("\n").partition(" ")
    try:
        # Its fraction has as many digits as it needs: Python reads six of them
        moment = dt.datetime.fromisoformat(stamp)
    except ValueError:  # a line of the kubelet's own, such as that it cannot read the file
        return Line(time_ns=time.time_ns(), pod=pod, version=version, message=text.rstrip("\n"))
    fraction = stamp.partition(".")[2].rstrip("Z")
    fraction = fraction.partition("+")[0].partition("-")[0]
    seconds = int(moment.replace(microsecond=0).timestamp())
    time_ns = seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
    return Line(time_ns=time_ns, pod=pod, version=version, message=message)


def _container_status(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((each for each in statuses if each.get("name") == container), {})


def _restarts(pod: Mapping[str, Any], container: str) -> int:
    return int(_container_status(pod, container).get("restartCount") or 0)


def _why_waiting(pod: Mapping[str, Any], container: str, error: ClusterError) -> str:
    waiting = (_container_status(pod, container).get("state") or {}).get("waiting") or {}
    reasons = [str(waiting[key]) for key in ("reason", "message") if waiting.get(key)]
    return ": ".join(reasons) or error.received or error.message
