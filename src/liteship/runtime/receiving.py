"""What is read of an ASGI request: its headers, its id and its body."""

from __future__ import annotations

import uuid

from liteship.errors import InputError
from liteship.runtime.http import check_body_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
    from typing import Any

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


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
