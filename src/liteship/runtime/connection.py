"""A connection to the HTTP server: uvicorn's on httptools, and what hostile callers need beyond it."""

from __future__ import annotations

import uuid

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from liteship.errors import InputError
from liteship.runtime.http import error_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from liteship.runtime.asgi import AsgiApplication
    from liteship.runtime.http import Response

KEEP_ALIVE_S = 120
"""The caller closes an idle connection before we do: Go's proxies, Knative's among them, keep one for
90 s (https://pkg.go.dev/net/http#DefaultTransport). Were we first, a request that is on its way just
then would be lost."""

HEAD_S = 60
"""For a request's head, from its first byte on; its body has as long again (`receiving.RECEIVE_S`)."""

HEAD_BYTES = 65536
"""Of one request's head; and most of anything else that is no body, as the trailers after one."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

MOST_WAITING = 500
"""Requests that one connection may have sent before the first is answered; each takes some 3 KiB."""


class Connection(HttpToolsProtocol):
    """One caller.

    uvicorn's own waits for a head for ever, keeps one of any length, takes trailers for headers and a
    request without a host, gives no answer to who has finished sending, and refuses out of turn.

    A request that arrived whole is begun when it is whole: one that takes less time than a task of its
    own is answered without one (`AsgiApplication.answer_at_once`).
    """

    _has_ended = False
    _reads_head = _reads_body = False
    _head_due_s = 0.0
    _pending_bytes = 0  # read since there was a head, a part of a body or an end
    _refusal: str | None = None  # why nothing more is read, if nothing is
    _may_answer = False  # at once: one request of what arrives in one go, or others would not be heard
    _arrived: list[bytes] | None = None  # of a body whose request is not begun

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Whoever connects and says nothing is a connection as idle as any other."""
        super().connection_made(transport)
        self.transport = self._one_write = _OneWrite(transport)  # type: ignore[assignment]
        self._close_at(self.loop.time() + KEEP_ALIVE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Else the timer of a connection that was reset runs on, and holds it."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Counts from the first byte of a head: one that comes byte by byte never ends."""
        if self._refusal is not None:
            return
        if not (self._reads_body and self.cycle.response_complete):  # what is read is not for nothing
            self._unset_keepalive_if_required()
        self._pending_bytes += len(data)
        self._may_answer = True
        self._parse(data)
        if self._pending_bytes > HEAD_BYTES:
            self._refuse(f"more than {HEAD_BYTES} bytes without an end")
        if not (self._reads_body or self._owes_an_answer() or self.transport.is_closing()):
            self._close_at(self._head_due_s if self._reads_head else self.loop.time() + KEEP_ALIVE_S)

    def _parse(self, data: bytes) -> None:
        unread = memoryview(data)
        try:
            while unread:
                unread = unread[self._feed(unread) :]
            if self._arrived is not None:  # there is more of its body to come
                self._begin(b"".join(self._arrived))
        except httptools.HttpParserCallbackError as error:
            self._refuse(str(error.__context__))
        except (httptools.HttpParserError, _NoRequestError) as error:
            self._refuse(str(error))

    def _feed(self, data: memoryview) -> int:
        """Parses, and says how much: up to a request for another protocol, and then HTTP/1.1 goes on.

        https://www.rfc-editor.org/rfc/rfc9110#section-7.8
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return int(upgrade.args[0])
        return len(data)

    def _close_at(self, due_s: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(due_s, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._reads_head, self._head_due_s = True, self.loop.time() + HEAD_S
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole, or is refused: the parser hands on what is raised here."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _NoRequestError(f"{len(hosts)} host headers")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise _NoRequestError(f"a head of more than {HEAD_BYTES} bytes")
        if len(self.pipeline) == MOST_WAITING:
            raise _NoRequestError(f"more than {MOST_WAITING} requests at once")
        self._reads_head, self._pending_bytes, self._arrived = False, 0, []
        # Trailers are no headers: a proxy may let pass there what it would not in a head
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        self._pending_bytes = 0
        if self._arrived is not None:
            self._arrived.append(body)
        elif self.cycle.body or self.cycle.response_complete:
            super().on_body(body)
        else:
            self._hand_on(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._pending_bytes = 0
        if self._arrived is not None:
            body, self._arrived = b"".join(self._arrived), None
            if self._answers_at_once(body):
                return
            self._begin(body)
        self._reads_body = False
        super().on_message_complete()

    def _begin(self, body: bytes) -> None:
        """Gives the application a request, and what has arrived of its body."""
        self._arrived = None
        try:
            super().on_headers_complete()
        except AttributeError as error:
            raise _NoRequestError("a target without a path") from error
        self._reads_body = True
        if body:
            self._hand_on(body)

    def _hand_on(self, body: bytes) -> None:
        """As uvicorn's `on_body`, which copies each part, and once more for the application.

        It pauses reading with the part after this one, if that is too much.
        """
        self.cycle.body = body  # type: ignore[assignment]  # what is added makes it longer, too
        self.cycle.message_event.set()

    def _answers_at_once(self, body: bytes) -> bool:
        """Answers a request that takes less time than a task of its own."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        waits = is_busy or self.flow.write_paused or self.expect_100_continue
        if waits or not self._may_answer:
            return False
        self._may_answer = False
        application: AsgiApplication = self.config.app  # type: ignore[assignment]
        method = self.parser.get_method()
        response = application.answer_at_once(method, self.url, self.scope["headers"], body)
        if response is None:
            return False
        keeps_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        self._send(response, self.server_state.default_headers, keeps_alive=keeps_alive)
        self.server_state.total_requests += 1
        return True

    def _send(
        self, response: Response, headers: Iterable[tuple[bytes, bytes]], *, keeps_alive: bool
    ) -> None:
        lines = [STATUS_LINE[response.status]]
        lines += [b"%b: %b\r\n" % header for header in headers]
        lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in response.headers.items()]
        lines += [b"\r\n" if keeps_alive else b"connection: close\r\n\r\n", response.body]
        self.transport.write(b"".join(lines))
        self._one_write.flush()
        if not keeps_alive:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # what asyncio calls it for
        """Whether to stay open: a caller may close its half, and still waits for its answers.

        https://www.rfc-editor.org/rfc/rfc9112#section-9.6
        """
        self._has_ended = True
        return self._owes_an_answer()

    def on_response_complete(self) -> None:
        """Goes on to the next request that has arrived, if there is one."""
        self._one_write.flush()
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
        if has_answer:
            self.transport.close()
            return
        hint = "send HTTP/1.1, and a body of the length that its head says"
        error = InputError("http-invalid", "what was sent is not HTTP", received=received, hint=hint)
        self._send(error_response(error, str(uuid.uuid4())), (), keeps_alive=False)


class _NoRequestError(Exception):
    """Why a head is refused that the parser let pass."""


class _OneWrite:
    """Sends an answer's head with what follows it, by one system call in one segment."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Sends it, or keeps it for now if it is a head: ASGI gives at least a part of a body after it.

        A part that looks like a head waits for the next one or the end, and is none the worse.
        """
        if not self._head and data.startswith(b"HTTP/1.1 ") and data != CONTINUE:
            self._head = data
            return
        self._transport.write(self._head + data)
        self._head = b""

    def flush(self) -> None:
        """Sends a head that nothing follows, as that of an answer to HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Ends the connection once everything is sent."""
        self.flush()
        self._transport.close()
