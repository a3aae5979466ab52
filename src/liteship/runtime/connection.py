"""A connection to the HTTP server: uvicorn's on httptools, and what hostile callers need beyond it."""

from __future__ import annotations

import uuid

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from liteship.errors import InputError
from liteship.runtime.http import error_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

KEEP_ALIVE_S = 120
"""The caller closes an idle connection before we do: Go's proxies, Knative's among them, keep one for
90 s (https://pkg.go.dev/net/http#DefaultTransport). Were we first, a request that is on its way just
then would be lost."""

HEAD_S = 60
"""For a request's head, from its first byte on; its body has as long again (`receiving.RECEIVE_S`)."""

HEAD_BYTES = 65536
"""Of one request's head; and most of anything else that is no body, as the trailers after one."""

MOST_WAITING = 500
"""Requests that one connection may have sent before the first is answered; each takes some 3 KiB."""


class Connection(HttpToolsProtocol):
    """One caller.

    uvicorn's own waits for a head for ever, keeps one of any length, takes trailers for headers and a
    request without a host, gives no answer to who has finished sending, and refuses out of turn.
    """

    _has_ended = False
    _reads_body = False
    _head_due_s: float | None = None
    _pending_bytes = 0  # read since there was a head, a part of a body or an end
    _refusal: str | None = None  # why nothing more is read, if nothing is

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Whoever connects and says nothing is a connection as idle as any other."""
        super().connection_made(transport)
        self.transport = _OneWrite(transport, self.loop)  # type: ignore[assignment]
        self._close_at(self.loop.time() + KEEP_ALIVE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Else the timer of a connection that was reset runs on, and holds it."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Counts from the first byte of a head: one that comes byte by byte never ends."""
        if self._refusal is not None:
            return
        is_dropped = self._reads_body and self.cycle.response_complete
        if not is_dropped:
            self._unset_keepalive_if_required()
        self._pending_bytes += len(data)
        self._parse(data)
        if self._pending_bytes > HEAD_BYTES:
            self._refuse(f"more than {HEAD_BYTES} bytes without an end")
        if not (self._reads_body or self._owes_an_answer() or self.transport.is_closing()):
            self._head_due_s = self._head_due_s or self.loop.time() + HEAD_S
            self._close_at(self._head_due_s)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # it stays HTTP/1.1, as a server may decide
            (offset,) = upgrade.args
            if offset < len(data):
                self._parse(data[offset:])
        except httptools.HttpParserError as error:
            self._refuse(str(error.__context__ or error))

    def _close_at(self, due_s: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(due_s, self.timeout_keep_alive_handler)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer is no header: what a proxy let pass at the end would count as if it had seen it."""
        if not self._reads_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request begins, or is refused: the parser hands on what is raised here."""
        self._head_due_s, self._pending_bytes = None, 0
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _NoRequestError(f"{len(hosts)} host headers")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise _NoRequestError(f"a head of more than {HEAD_BYTES} bytes")
        if len(self.pipeline) == MOST_WAITING:
            raise _NoRequestError(f"more than {MOST_WAITING} requests at once")
        super().on_headers_complete()
        self._reads_body = True

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._reads_body, self._pending_bytes = False, 0
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # what asyncio calls it for
        """Stays open while it owes an answer: a caller may close its half, and still wait for it.

        https://www.rfc-editor.org/rfc/rfc9112#section-9.6
        """
        self._has_ended = True
        if not self._owes_an_answer():
            self.transport.close()
        return True  # else asyncio would close it itself, before what is written last is sent

    def on_response_complete(self) -> None:
        """Goes on to the next request that has arrived, if there is one."""
        super().on_response_complete()
        if self._owes_an_answer():
            return
        if self._refusal is not None:
            self._send_refusal(self._refusal)
        elif self._has_ended:
            self.transport.close()

    def _owes_an_answer(self) -> bool:
        """Whether a whole request is not answered; `cycle` is the last that began."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or not self.cycle.more_body

    def _refuse(self, received: str) -> None:
        self._refusal = received
        if not self._owes_an_answer():
            self._send_refusal(received)

    def _send_refusal(self, received: str) -> None:
        """Answers what is no HTTP; after an answer has begun, no other can follow."""
        has_answer = False
        if self._reads_body:
            self.cycle.disconnected = True  # what the application would answer comes too late
            has_answer = self.cycle.response_started
        if not has_answer:
            hint = "send HTTP/1.1, and a body of the length that its head says"
            error = InputError(
                "http-invalid", "what was sent is not HTTP", received=received, hint=hint
            )
            response = error_response(error, str(uuid.uuid4()))
            headers = {**response.headers, "connection": "close"}
            lines = ["HTTP/1.1 400 Bad Request", *map(": ".join, headers.items()), "", ""]
            self.transport.write("\r\n".join(lines).encode("latin-1") + response.body)
        self.transport.close()


class _NoRequestError(Exception):
    """Why a head is refused that the parser let pass."""


class _OneWrite:
    """Sends what is written in one go, as a head and its body, by one system call and in one segment."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Sends it before the event loop waits for anything else."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Ends the connection once everything is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(b"".join(parts))
