"""Requests that wait for the model share its next run.

Imported only where it can pay: where the artifact gains from runs of several items, and the HTTP
server has more workers than CPUs. As many runs as there are CPUs go on at once; who comes then waits,
and the first of them runs the model for all that wait when one ends. Nobody waits for others to
come: that is Triton's `max_queue_delay_microseconds` at its default of 0
(https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html#delayed-batching),
and decision 15 says what a longer window would cost. How many may wait is the server's queue.
"""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Items = Sequence[Mapping[str, bytes]]
    Outputs = list[dict[str, bytes]]
    Run = Callable[[Items], Outputs]


class Batcher:
    """Joins items of requests that are answered at the same time.

    Args:
        largest: Most items that it takes at once; a request of more is run alone.
        runs: That may go on at once.
    """

    def __init__(self, largest: int, runs: int) -> None:
        self._largest = largest
        self._free_runs = runs
        self._lock = allocate_lock()
        self._waiting: list[_Request] = []

    def run(self, items: Items, run: Run) -> Outputs:
        """Runs the model on a request's items, and maybe on others' with them.

        Args:
            items: The request's.
            run: The same for every request: gives each item's outputs.

        Returns:
            The request's outputs. What `run` raises is raised to whom it concerns.
        """
        request = self._enter(items)
        joined: list[_Request] = []
        if request is not None:
            request.gate.acquire()
            if request.outputs is not None:
                return request.outputs
            if not request.leads:
                return run(items)  # the run that it shared failed: alone it is told why, or not
            joined = self._join(len(items))
        try:
            return _run_together(items, joined, run)
        finally:
            self._leave()
            for each in joined:
                each.gate.release()

    def _enter(self, items: Items) -> _Request | None:
        """None where a run is free; else what waits for one."""
        with self._lock:
            if self._free_runs > 0:
                self._free_runs -= 1
                return None
            request = _Request(items)
            self._waiting.append(request)
            return request

    def _leave(self) -> None:
        """Leaves the run to whoever waits longest, or to the next that comes."""
        with self._lock:
            if not self._waiting:
                self._free_runs += 1
                return
            first = self._waiting.pop(0)
        first.leads = True
        first.gate.release()

    def _join(self, count: int) -> list[_Request]:
        """Takes those that wait, in order, as long as all items fit into one run."""
        joined = []
        with self._lock:
            while self._waiting and count + len(self._waiting[0].items) <= self._largest:
                joined.append(self._waiting.pop(0))
                count += len(joined[-1].items)
        return joined


class _Request:
    __slots__ = ("gate", "items", "leads", "outputs")

    def __init__(self, items: Items) -> None:
        self.items = items
        self.outputs: Outputs | None = None
        self.leads = False
        self.gate = allocate_lock()  # opened when there are outputs, or when it leads
        self.gate.acquire()


def _run_together(items: Items, joined: Sequence[_Request], run: Run) -> Outputs:
    """Gives those that joined their outputs, unless the run fails; and the items' own."""
    if not joined:
        return run(items)
    try:
        outputs = run([*items, *(item for each in joined for item in each.items)])
    except Exception:  # noqa: BLE001  # whose it is shows when each runs alone
        return run(items)
    start = len(items)
    for each in joined:
        each.outputs = outputs[start : start + len(each.items)]
        start += len(each.items)
    return outputs[: len(items)]
