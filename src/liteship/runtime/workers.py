"""Where predictions run: in threads behind a bounded queue; at once where a thread would cost more."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from liteship.errors import NotReadyError
from liteship.runtime.routes import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from liteship.runtime.function import Function
    from liteship.runtime.http import Answer, Request, Response
    from liteship.runtime.inference import Inference

QUEUE_PER_WORKER = 10
"""Predictions that may wait, for each worker: what Knative's queue-proxy lets wait before a Pod
(https://github.com/knative/serving/blob/main/pkg/queue/sharedmain/main.go), so that ours never refuses
what it let pass. Behind a plain Service, which limits nothing, it bounds memory and waiting."""

AT_ONCE_MS = 0.5
"""Of inference, in the event loop: meanwhile no other caller is heard."""

AT_ONCE_BYTES = 16384
"""Of a body that is answered in the event loop: reading so much JSON takes half a millisecond."""


class Workers:
    """Runs predictions, so many at once, and lets so many wait.

    Args:
        function: The function that answers.

    Attributes:
        count: Predictions that run at once.
        places: Of these and those that wait.
    """

    def __init__(self, function: Function) -> None:
        settings = function.settings
        self.count = settings.workers or _usable_cpus()
        queue = self.count * QUEUE_PER_WORKER if settings.queue is None else settings.queue
        self.places = self.count + queue
        self._function = function
        self._pool = ThreadPoolExecutor(self.count, "predict")
        self._predictions: set[Future[Response]] = set()  # running and waiting
        self._element_ms = math.inf  # of the last inference, for each element of its inputs

    @property
    def unfinished(self) -> int:
        """Predictions that are running or waiting."""
        return len(self._predictions)

    @property
    def waiting(self) -> int:
        """Predictions that wait for a worker."""
        return max(0, len(self._predictions) - self.count)

    def require_place(self) -> None:
        """Refuses one prediction more than may wait.

        Raises:
            NotReadyError: `queue-full`.
        """
        if len(self._predictions) >= self.places:
            raise NotReadyError(
                "queue-full",
                "as many requests are waiting as may",
                expected=f"at most {self.places} predictions running or waiting",
                hint="send the request again after a second, or run more instances",
            )

    async def run(self, route: Answer, request: Request) -> Response:
        """Answers a request in a thread, once one is free."""
        future = self._pool.submit(run, route, self._function, request)
        self._predictions.add(future)
        future.add_done_callback(self._predictions.discard)
        return await asyncio.wrap_future(future)

    def answers_at_once(self, size_bytes: int, headers: Mapping[str, str]) -> bool:
        """Whether a request is known to take less time than handing it to a thread.

        A body of n bytes has n elements at most, whatever its form, and so the items' inferences take
        no longer than those of n elements.
        """
        return (
            size_bytes * self._element_ms <= AT_ONCE_MS
            and size_bytes <= AT_ONCE_BYTES
            and "content-encoding" not in headers
            and len(self._predictions) < self.count  # else it has to wait like all others
        )

    def learn(self, inference: Inference) -> None:
        """Is told how long an inference took, and takes the next one for as long."""
        elements = self._item_elements
        if elements:
            items = len(inference.outputs)
            self._element_ms = inference.timings_ms["invoke"] / (items * elements)

    @cached_property
    def _item_elements(self) -> int:
        """Of the inputs of one item; 0 where other things take time than inference and reading numbers.

        A picture of a few bytes may have millions of pixels, a step in Python may wait for anything,
        and another model may have to be loaded.
        """
        predictor = self._function.require_predictor()
        is_plain = (
            self._function.served.models is None
            and not self._function.settings.pipelines
            and not predictor.hooks
            and predictor.manifest.preprocessing.kind == "tensor"
        )
        return sum(spec.elements for spec in predictor.manifest.inputs) if is_plain else 0


def _usable_cpus() -> int:
    from liteship.runtime.cpu_quota import usable_cpus

    return usable_cpus()
