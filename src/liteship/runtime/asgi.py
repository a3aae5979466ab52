"""The ASGI application: the short list first, the FastAPI application for everything else."""

from __future__ import annotations

import time
import uuid
from functools import partial

from liteship.errors import InputError, NotReadyError
from liteship.runtime.http import HEALTH, WORK, Request, Response, error_response
from liteship.runtime.protocols.native import READY, READY_V2
from liteship.runtime.receiving import (
    Intake,
    ambiguous,
    headers_of,
    is_ambiguous,
    read_body,
    request_id_from,
)
from liteship.runtime.routes import find, refuse, run
from liteship.runtime.workers import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
    from typing import Any

    from liteship.runtime.function import Function
    from liteship.runtime.http import Route
    from liteship.runtime.inference import Inference
    from liteship.runtime.metrics import Model

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Found = tuple[Route, dict[str, str]]

METRICS = ("GET", "/metrics")
"""Answered here alone: on Lambda, which counts by itself, the path is as unknown as any other."""

EVENTS = ("POST", "/")
"""Where Knative delivers CloudEvents; here alone too: Lambda tells of uploads in its own way."""

HTTP2_QUESTION = ("OPTIONS", READY[1])
"""Readiness, as Knative's queue-proxy asks where a cluster detects HTTP/2 by itself; an answer without
an upgrade means HTTP/1.1 (https://github.com/knative/serving/blob/main/pkg/queue/health/probe.go)."""

ESCAPES = frozenset(b"%#")
"""In a target: what has to be decoded before a path can be found."""

UNKNOWN = ("unknown", "unknown")
"""Model and version in the metrics of a process whose model is not ready."""


class AsgiApplication:
    """Answers HTTP requests for one function.

    Predictions run in as many threads as there are workers; the event loop stays free for health
    questions and for refusing what would have to wait too long. It answers itself what takes less
    than handing it to a thread.

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
        self._workers = Workers(function)
        self.workers = self._workers.count
        limit_bytes = settings.max_body_bytes
        self._intake = Intake(self._workers.places * limit_bytes, limit_bytes)
        self._function = function
        self._in_flight = 0
        self._metrics = Metrics()
        function.telemetry.watch = self._count_predictions
        function.is_server = True
        if function.served.models is not None:
            function.served.models.cache.workers = self.workers

    @property
    def unfinished(self) -> int:
        """Predictions that are running or waiting."""
        return self._workers.unfinished

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        asked = scope.get("method", ""), scope["path"]
        if asked == HTTP2_QUESTION:
            asked, scope = READY, {**scope, "method": READY[0]}
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
        found = find(self._function, *asked)
        if found is not None and found[0].kind == HEALTH:
            response = await self._answer(*found, headers_of(scope["headers"]), scope, receive)
            await _send(response, send_and_watch)
            return
        start = time.perf_counter()
        model: Model | None = None
        self._in_flight += 1
        try:
            model = await self._dispatch(asked, found, scope, receive, send_and_watch)
        finally:
            self._in_flight -= 1
            self._metrics.answered(model or self._model(), status, time.perf_counter() - start)

    def answer_at_once(
        self, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Response | None:
        """Answers a whole request that takes less time than the messages and the task of ASGI do.

        Args:
            method: Upper case.
            target: Path and query, percent-encoded.
            headers: Names in lower case.
            body: All of it.

        Returns:
            The same answer as by ASGI; None for every other request.
        """
        path, _, query = target.decode("latin-1").partition("?")
        found = find(self._function, method.decode(), path)
        if found is None or found[0].kind != WORK or self.draining or not ESCAPES.isdisjoint(target):
            return None
        by_name = headers_of(headers)
        if is_ambiguous(by_name) or not self._workers.answers_at_once(len(body), by_name):
            return None
        start = time.perf_counter()
        route, path_parameters = found
        request = Request(route.method, path, by_name, body, request_id_from(by_name), query)
        request.path_parameters = path_parameters
        response = run(route.answer, self._function, request)
        model = response.model or self._model()
        self._metrics.answered(model, response.status, time.perf_counter() - start)
        return response

    async def answer(self, route: Route, request: Request) -> Response:
        """Answers a whole request that did not come by ASGI.

        Args:
            route: Of the short list.
            request: Its body within `max_body_bytes`, or it is refused.
        """
        if route.kind == HEALTH:
            return await self._run(route, request)
        start = time.perf_counter()
        self._in_flight += 1
        try:
            if route.kind == WORK:
                self._workers.require_place()
            response = await self._run(route, request)
        except NotReadyError as error:
            response = self._refuse(error, request.request_id)
        finally:
            self._in_flight -= 1
        model = response.model or self._model()
        self._metrics.answered(model, response.status, time.perf_counter() - start)
        return response

    async def _dispatch(
        self, asked: tuple[str, str], found: Found | None, scope: Scope, receive: Receive, send: Send
    ) -> Model | None:
        """The model that the answer is of; None where that is not known, or is none in particular."""
        headers = headers_of(scope["headers"])
        if is_ambiguous(headers):
            response = self._refuse(ambiguous(), str(uuid.uuid4()))
        elif found is not None:
            response = await self._answer(*found, headers, scope, receive)
        elif asked == EVENTS and self._takes_event(scope):
            response = await self._answer_event(headers, scope, receive)
        else:
            await self._function.app(scope, receive, send)
            return None
        await _send(response, send)
        return response.model

    async def _answer(
        self,
        route: Route,
        path_parameters: dict[str, str],
        headers: dict[str, str],
        scope: Scope,
        receive: Receive,
    ) -> Response:
        request_id = request_id_from(headers)
        is_work = route.kind == WORK
        try:
            if is_work:
                self._workers.require_place()
            async with self._intake.watch(receive) as receive_within:
                limit_bytes = self._function.settings.max_body_bytes
                body = await read_body(headers, receive_within, limit_bytes)
            # Again: a place is taken by a whole request only, or slow callers would hold them all.
            if is_work:
                self._workers.require_place()
        except (InputError, NotReadyError) as error:
            return self._refuse(error, request_id)
        query = scope.get("query_string", b"").decode("latin-1")
        request = Request(scope["method"], scope["path"], headers, body, request_id, query)
        request.path_parameters = path_parameters
        return await self._run(route, request)

    async def _run(self, route: Route, request: Request) -> Response:
        if route.kind == WORK and not self._workers.answers_at_once(len(request.body), request.headers):
            return await self._workers.run(route.answer, request)
        if self.draining and (request.method, request.path) in {READY, READY_V2}:
            return _shutting_down(request.request_id)
        return run(route.answer, self._function, request)

    def _takes_event(self, scope: Scope) -> bool:
        """Whether it is an event, and not for a route of the user's own."""
        from liteship.runtime.triggers.cloudevents import is_event

        is_ours = self._function.settings.answers_uploads or self._function.extend is None
        return is_ours and is_event(scope["headers"])

    async def _answer_event(self, headers: dict[str, str], scope: Scope, receive: Receive) -> Response:
        from liteship.runtime.triggers import admission, deliveries

        request_id = request_id_from(headers)
        settings = self._function.settings
        try:
            admission.require_uploads(settings)
            self._workers.require_place()
            async with self._intake.watch(receive) as receive_within:
                limit_bytes = settings.max_body_bytes
                received = await deliveries.receive_event(headers, receive_within, limit_bytes)
            self._workers.require_place()  # again, as above
        except (InputError, NotReadyError) as error:
            return self._refuse(error, request_id)
        body, oversized = received
        route = partial(
            deliveries.answer_event, query=scope.get("query_string", b""), oversized=oversized
        )
        return await self._workers.run(route, Request(*EVENTS, headers, body, request_id))

    def _refuse(self, error: InputError | NotReadyError, request_id: str) -> Response:
        response = refuse(self._function, error, request_id)
        if isinstance(error, NotReadyError):
            response.headers["retry-after"] = "1"
        if error.reference in {"body-slow", "framing-ambiguous"}:
            response.headers["connection"] = "close"
        return response

    def _model(self) -> Model:
        try:
            manifest = self._function.require_predictor().manifest
        except NotReadyError:
            return UNKNOWN
        return manifest.name, manifest.version

    def _count_predictions(self, inference: Inference, *, low_confidence: int) -> None:
        self._workers.learn(inference)
        model = inference.model, inference.version
        self._metrics.predicted(model, count=len(inference.outputs), low_confidence=low_confidence)

    async def _send_metrics(self, send: Send) -> None:
        from liteship.runtime.metrics import CONTENT_TYPE

        waiting = self._workers.waiting
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
