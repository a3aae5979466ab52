"""How long what is answered takes while more callers ask than may wait: the queue's limit bounds it."""

from __future__ import annotations

import selectors
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.comparison.client import Connection, hammer
from benchmarks.comparison.measuring import first_answer, p99
from benchmarks.comparison.process import start

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.comparison.contestants import Contestant

CALLERS = 64
WORKERS, QUEUE = 2, 20
PLACES = WORKERS + QUEUE
PAUSE_S = 0.1
"""How long a caller who was refused waits before it asks again."""

REQUESTS = 1200


class Overload(NamedTuple):
    """Of one run.

    Args:
        p99_ms: Of the answers that are no refusals.
        full_ms: How long as many requests take as may run and wait, one after another's place.
        refused: Share of the requests that were.
    """

    p99_ms: float
    full_ms: float
    refused: float


def overload(contestant: Contestant, log: Path) -> Overload:
    """Asks a server with room for fewer requests than there are callers.

    Args:
        contestant: liteship's server.
        log: Where it writes to.

    Raises:
        SystemExit: It does not start, or answers something else than a result or a refusal.
    """
    variables = {"LITESHIP_WORKERS": str(WORKERS), "LITESHIP_QUEUE": str(QUEUE)}
    environment = {**contestant.command.environment, **variables}
    request = contestant.questions[0].requests[0]
    with start(contestant.command._replace(environment=environment), log) as running:
        first_answer(contestant, running)
        hammer(running.port, request, 1, 20)
        start_s = time.perf_counter()
        latencies_ms, refused = _ask(running.port, request)
        elapsed_ms = (time.perf_counter() - start_s) * 1e3
    answered = len(latencies_ms)
    full_ms = PLACES * elapsed_ms / answered
    return Overload(p99(latencies_ms), full_ms, refused / (refused + answered))


def _ask(port: int, request: bytes) -> tuple[list[float], int]:
    """Milliseconds to each answer, and how many requests were refused."""
    selector = selectors.DefaultSelector()
    due_s = deque([0.0] * CALLERS)  # when each caller that waits asks, in order
    latencies_ms: list[float] = []
    refused = 0
    while len(latencies_ms) < REQUESTS:
        while due_s and due_s[0] <= time.perf_counter():
            due_s.popleft()
            connection = Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(request)
        for key, _ in selector.select(PAUSE_S / 10):
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now_s = time.perf_counter()
            if answer.status == 200:
                latencies_ms.append((now_s - connection.sent_s) * 1e3)
                connection.send(request)
            elif answer.status == 503:
                refused += 1
                selector.unregister(connection.socket)
                connection.close()
                due_s.append(now_s + PAUSE_S)
            else:
                raise SystemExit(f"status {answer.status}: {answer.body[:300]!r}")
    for key in list(selector.get_map().values()):
        key.data.close()
    selector.close()
    return latencies_ms, refused
