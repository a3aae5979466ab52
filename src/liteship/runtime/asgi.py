"""The ASGI application: the short list first, the FastAPI application for everything else."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from liteship.errors import InputError, NotReadyError
from liteship.runtime.http import Request, Response, check_body_size, error_response
from liteship.runtime.protocols.native import READY
from liteship.runtime.routes import ROUTES, refuse, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from concurrent.futures import Future
    from typing import Any

    from liteship.runtime.function import Function
    from liteship.runtime.metrics import Model
    from liteship.runtime.predictor import Prediction
    from liteship.runtime.routes import Route

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

METRICS = ("GET", "/metrics")
"""Answered here alone: on Lambda, which counts by itself, the path is as unknown as any other."""

QUEUE_PER_WORKER = 10
"""Predictions that may wait, for each worker: what Knative's queue-proxy lets wait before a Pod
(https://github.com/knative/serving/blob/main/pkg/queue/sharedmain/main.go), so that ours never refuses
what it let pass. Behind a plain Service, which limits nothing, it bounds memory and waiting."""

UNKNOWN = ("unknown", "unknown")
"""Model and version in the metrics of a process whose model is not ready."""


class AsgiApplication:
    """Answers HTTP requests for one function.

    Predictions run in as many threads as there are workers; the event loop stays free for health
    questions and for refusing what would have to wait too long.

    Args:
        function: The function that answers.

    Attributes:
        draining: Set when the process is about to end: readiness says so, and every answer closes its
            connection, so that the caller's next one leads elsewhere.
        workers: Predictions that run at once.
    """

    def __init__(self, function: Function) -> None:
        from liteship.runtime.metrics import Metrics

        settings = function.settings
        self.draining = False
        self.workers = settings.workers or _usable_cpus()
        queue = self.workers * QUEUE_PER_WORKER if settings.queue is None else settings.queue
        self._places = self.workers + queue
        self._function = function
        self._pool = ThreadPoolExecutor(self.workers, "predict")
        self._predictions: set[Future[Response]] = set()  # running and waiting
        self._in_flight = 0
        self._metrics = Metrics()
        function.telemetry.watch = self._count_prediction

    @property
    def unfinished(self) -> int:
        """Predictions that are running or waiting."""
        return len(self._predictions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        asked = scope.get("method", ""), scope["path"]
        status = 500  # of an application that failed without an answer

        async def send_and_watch(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.draining:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        if asked == METRICS:
            await self._send_metrics(send_and_watch)
            return
        if asked in ROUTES and asked[0] == "GET":
            await _send(await self._answer(ROUTES[asked], scope, receive), send_and_watch)
            return
        start = time.perf_counter()
        self._in_flight += 1
        try:
            if asked in ROUTES:
                await _send(await self._answer(ROUTES[asked], scope, receive), send_and_watch)
            else:
                await self._function.app(scope, receive, send_and_watch)
        finally:
            self._in_flight -= 1
            self._metrics.answered(self._model(), status, time.perf_counter() - start)

    async def _answer(self, route: Route, scope: Scope, receive: Receive) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = request_id_from(headers)
        is_prediction = scope["method"] == "POST"
        try:
            if is_prediction:
                self._require_place()
            body = await read_body(headers, receive, self._function.settings.max_body_bytes)
            # Again: a place is taken by a whole request only, or slow callers would hold them all.
            if is_prediction:
                self._require_place()
        except InputError as error:
            return refuse(self._function, error, request_id)
        except NotReadyError as error:
            response = refuse(self._function, error, request_id)
            response.headers["retry-after"] = "1"
            return response
        request = Request(scope["method"], scope["path"], headers, body, request_id)
        if is_prediction:
            future = self._pool.submit(run, route, self._function, request)
            self._predictions.add(future)
            future.add_done_callback(self._predictions.discard)
            return await asyncio.wrap_future(future)
        if self.draining and (request.method, request.path) == READY:
            return _shutting_down(request_id)
        return run(route, self._function, request)

    def _require_place(self) -> None:
        if len(self._predictions) >= self._places:
            raise NotReadyError(
                "queue-full",
                "as many requests are waiting as may",
                expected=f"at most {self._places} predictions running or waiting",
                hint="send the request again after a second, or run more instances",
            )

    def _model(self) -> Model:
        try:
            manifest = self._function.require_predictor().manifest
        except NotReadyError:
            return UNKNOWN
        return manifest.name, manifest.version

    def _count_prediction(self, prediction: Prediction, *, low_confidence: bool) -> None:
        model = str(prediction.fields["model"]), str(prediction.fields["version"])
        self._metrics.predicted(model, low_confidence=low_confidence)

    async def _send_metrics(self, send: Send) -> None:
        from liteship.runtime.metrics import CONTENT_TYPE

        waiting = max(0, len(self._predictions) - self.workers)
        text = self._metrics.text(self._model(), in_flight=self._in_flight, waiting=waiting)
        body = text.encode()
        headers = {"content-type": CONTENT_TYPE, "content-length": str(len(body))}
        await _send_parts(200, headers, body, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup" and self._model() != UNKNOWN:
                from liteship.runtime.function import process_age_ms

                self._metrics.started(self._model(), process_age_ms() / 1e3)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def request_id_from(headers: dict[str, str]) -> str:
    """The caller's request id if it is harmless in a log, else a new one."""
    given = headers.get("x-request-id", "")
    if 0 < len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return str(uuid.uuid4())


async def read_body(headers: Mapping[str, str], receive: Receive, limit_bytes: int) -> bytes:
    """The whole body; stops reading once it is over the limit.

    Args:
        headers: The request's, names in lower case. A length that they declare is refused unread.
        receive: Gives the body's parts.
        limit_bytes: Most bytes to read.

    Raises:
        PayloadTooLargeError: `body-too-large`.
        InputError: `client-gone` if the connection was closed in the middle.
    """
    declared = headers.get("content-length", "")
    if declared.isdigit():
        check_body_size(int(declared[:18]), limit_bytes)
    parts, size_bytes = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError(
                "client-gone",
                "the client closed the connection before its request was whole",
                hint="send the request again",
            )
        part = message.get("body", b"")
        size_bytes += len(part)
        check_body_size(size_bytes, limit_bytes)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(response: Response, send: Send) -> None:
    await _send_parts(response.status, response.headers, response.body, send)


async def _send_parts(status: int, headers: Mapping[str, str], body: bytes, send: Send) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _shutting_down(request_id: str) -> Response:
    """Not in the log, unlike other refusals: that the process ends is not a failure."""
    error = NotReadyError(
        "shutting-down",
        "this instance is about to end, and still answers what reaches it",
        hint="send new requests to another instance",
    )
    response = error_response(error, request_id)
    response.headers["x-request-id"] = request_id
    return response


def _usable_cpus() -> int:
    from liteship.runtime.cpu_quota import usable_cpus

    return usable_cpus()
