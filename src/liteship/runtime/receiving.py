"""What is read of an ASGI request: its headers, its id and its body."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager

from liteship.errors import InputError, NotReadyError
from liteship.runtime.http import check_body_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
    from typing import Any

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


RECEIVE_S = 60
"""For one body, from its head on: who needs longer holds memory that others could use. Knative gives a
whole request that long by default."""


class Intake:
    """Bounds what arrives at once: a body that is not whole holds memory, and no place in the queue.

    Args:
        total_bytes: Most bytes that all bodies together may hold.
        body_bytes: Most bytes that are kept of one.
    """

    def __init__(self, total_bytes: int, body_bytes: int) -> None:
        self._free_bytes = total_bytes
        self._body_bytes = body_bytes

    @asynccontextmanager
    async def watch(self, receive: Receive) -> AsyncIterator[Receive]:
        """Gives what to receive one body with.

        Raises:
            NotReadyError: `queue-full`, or `body-slow` after `RECEIVE_S`.
        """
        taken_bytes = 0

        async def receive_within() -> MutableMapping[str, Any]:
            nonlocal taken_bytes
            message = await receive()
            more_bytes = min(len(message.get("body", b"")), self._body_bytes - taken_bytes)
            taken_bytes += more_bytes
            self._free_bytes -= more_bytes
            if self._free_bytes < 0:
                raise NotReadyError(
                    "queue-full",
                    "as much is being received as may",
                    hint="send the request again after a second, or run more instances",
                )
            return message

        try:
            async with asyncio.timeout(RECEIVE_S):
                yield receive_within
        except TimeoutError as error:
            raise NotReadyError(
                "body-slow",
                "the request did not arrive in time",
                expected=f"a whole request within {RECEIVE_S} s",
                hint="send it again, smaller or over a faster connection",
            ) from error
        finally:
            self._free_bytes += taken_bytes


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
    async for part in read_parts(receive):
        size_bytes += len(part)
        check_body_size(size_bytes, limit_bytes)
        parts.append(part)
    return b"".join(parts)


async def read_parts(receive: Receive) -> AsyncIterator[bytes]:
    """A body's parts, as they arrive.

    Raises:
        InputError: `client-gone` if the connection was closed in the middle.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError(
                "client-gone",
                "the client closed the connection before its request was whole",
                hint="send the request again",
            )
        more = bool(message.get("more_body"))
        yield message.get("body", b"")


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers by name, in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def is_ambiguous(scope: Mapping[str, Any]) -> bool:
    """Whether a proxy may see the body end elsewhere, and take the rest for the next caller's request.

    https://www.rfc-editor.org/rfc/rfc9112#section-6.1
    """
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


def ambiguous() -> InputError:
    """The refusal of such a request."""
    return InputError(
        "framing-ambiguous",
        "the request says in two ways how long it is",
        expected="content-length or transfer-encoding",
        received="both",
        hint="look at the proxy between: it must drop content-length",
    )
