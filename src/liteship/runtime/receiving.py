"""What is read of an ASGI request: its headers, its id and its body."""

from __future__ import annotations

import asyncio
import uuid

from liteship.errors import InputError, NotReadyError
from liteship.runtime.http import check_body_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
    from types import TracebackType
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

    def watch(self, receive: Receive) -> _Arrival:
        """Gives what to receive one body with, as an asynchronous context.

        Raises:
            NotReadyError: `queue-full`, or `body-slow` after `RECEIVE_S`.
        """
        return _Arrival(self, receive)

    def take(self, message_bytes: int, taken_bytes: int) -> int:
        """Makes room for a part of a body of which so much is here already; how much it takes.

        Raises:
            NotReadyError: `queue-full`.
        """
        more_bytes = min(message_bytes, self._body_bytes - taken_bytes)
        self._free_bytes -= more_bytes
        if self._free_bytes >= 0:
            return more_bytes
        self._free_bytes += more_bytes
        raise NotReadyError(
            "queue-full",
            "as much is being received as may",
            hint="send the request again after a second, or run more instances",
        )

    def give_back(self, taken_bytes: int) -> None:
        """The body is whole, or nobody waits for it any more."""
        self._free_bytes += taken_bytes


class _Arrival:
    """One body on its way: a class, as a generator for a context costs twice as much CPU time."""

    def __init__(self, intake: Intake, receive: Receive) -> None:
        self._intake = intake
        self._receive = receive
        self._taken_bytes = 0
        self._timeout = asyncio.timeout(RECEIVE_S)

    async def __aenter__(self) -> Receive:
        await self._timeout.__aenter__()
        return self._receive_within

    async def _receive_within(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        size_bytes = len(message.get("body", b""))
        self._taken_bytes += self._intake.take(size_bytes, self._taken_bytes)
        return message

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._intake.give_back(self._taken_bytes)
        try:
            await self._timeout.__aexit__(kind, raised, traceback)
        except TimeoutError as error:
            raise NotReadyError(
                "body-slow",
                "the request did not arrive in time",
                expected=f"a whole request within {RECEIVE_S} s",
                hint="send it again, smaller or over a faster connection",
            ) from error


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
    body, more = await _next_part(receive)
    check_body_size(len(body), limit_bytes)
    if not more:
        return body
    parts, size_bytes = [body], len(body)
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
        part, more = await _next_part(receive)
        yield part


async def _next_part(receive: Receive) -> tuple[bytes, bool]:
    """A part of a body, and whether there are more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise InputError(
            "client-gone",
            "the client closed the connection before its request was whole",
            hint="send the request again",
        )
    return message.get("body", b""), bool(message.get("more_body"))


def headers_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name, in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def is_ambiguous(headers: Mapping[str, str]) -> bool:
    """Whether a proxy may see the body end elsewhere, and take the rest for the next caller's request.

    https://www.rfc-editor.org/rfc/rfc9112#section-6.1
    """
    return "content-length" in headers and "transfer-encoding" in headers


def ambiguous() -> InputError:
    """The refusal of such a request."""
    return InputError(
        "framing-ambiguous",
        "the request says in two ways how long it is",
        expected="content-length or transfer-encoding",
        received="both",
        hint="look at the proxy between: it must drop content-length",
    )
