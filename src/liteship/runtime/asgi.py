"""The ASGI application: the short list first, the FastAPI application for everything else."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

from liteship.errors import InputError
from liteship.runtime.http import Request, Response, check_body_size
from liteship.runtime.routes import ROUTES, refuse, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from typing import Any

    from liteship.runtime.function import Function

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiApplication:
    """Answers HTTP requests for one function.

    Predictions run in `settings.workers` threads; the event loop stays free for health questions.

    Args:
        function: The function that answers.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._workers = ThreadPoolExecutor(function.settings.workers, "predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        route = ROUTES.get((scope.get("method", ""), scope["path"]))
        if route is None:
            await self._function.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = request_id_from(headers)
        try:
            body = await read_body(headers, receive, self._function.settings.max_body_bytes)
        except InputError as error:
            response = refuse(self._function, error, request_id)
        else:
            request = Request(scope["method"], scope["path"], headers, body, request_id)
            if request.method == "GET":
                response = run(route, self._function, request)
            else:
                loop = asyncio.get_running_loop()
                response = await loop.run_in_executor(
                    self._workers, run, route, self._function, request
                )
        await _send(response, send)


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
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
