"""The only place that knows uvicorn: the HTTP server that Knative, Kubernetes and people run."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid

from liteship.errors import ConfigurationError, InputError
from liteship.runtime.deferred import defer_package
from liteship.runtime.http import error_response
from liteship.runtime.listener import BACKLOG

_uvicorn = defer_package("uvicorn")  # else: click, multiprocessing, and a sixth of the start's CPU time

import h11  # noqa: E402
from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402
from uvicorn.server import Server  # noqa: E402

vars(_uvicorn).setdefault("Config", Config)  # what uvicorn's own modules ask the package for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import FrameType
    from typing import Any

    from liteship.runtime.function import Function

GRACEFUL_SHUTDOWN_S = 25
"""From SIGTERM to the end, draining included: below Kubernetes' default grace period of 30 s."""

KEEP_ALIVE_S = 120
"""The caller closes an idle connection before we do: Go's proxies, Knative's among them, keep one for
90 s (https://pkg.go.dev/net/http#DefaultTransport). Were we first, a request that is on its way just
then would be lost."""

HEAD_S = 60
"""For a request's head, from its first byte on; its body has as long again (`receiving.RECEIVE_S`)."""

LINGER_S = 0.2
"""After the listener is closed: what arrived on a connection just before is read, and answered."""


def serve(function: Function, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT, and answers what it accepted.

    After SIGTERM it still listens for `settings.drain_s`; a second signal ends the process at once.

    Args:
        function: The function that answers.
        listener: Where it is asked; see `liteship.runtime.listener.listen`. It is closed in the end.
    """
    host, port = listener.getsockname()[:2]
    function.telemetry.info("serving", host=host, port=port, workers=function.asgi.workers)
    config = Config(
        function.asgi,
        http=_Connection,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        ws="none",  # a function that answers them would not run on Lambda
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S - function.settings.drain_s,
    )
    _Server(config, function).run([listener])
    if function.asgi.unfinished:
        function.telemetry.error("ended before every request was answered")
        os._exit(1)  # else Python waits for its threads, and SIGKILL would end them


class _Connection(H11Protocol):
    """uvicorn's own waits for a head for ever, and gives no answer to who has finished sending."""

    _has_ended = False
    _head_due_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Whoever connects and says nothing is a connection as idle as any other."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._close_at(self.loop.time() + KEEP_ALIVE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Else the timer of a connection that was reset runs on, and holds it."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Counts from the first byte of a head: one that comes byte by byte never ends."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_due_s = None
        elif not self.transport.is_closing():
            self._head_due_s = self._head_due_s or self.loop.time() + HEAD_S
            self._close_at(self._head_due_s)

    def _close_at(self, due_s: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(due_s, self.timeout_keep_alive_handler)

    def eof_received(self) -> bool:  # type: ignore[override]  # what asyncio calls it for
        """Whether to stay open: a caller may close its half, and still waits for its answers.

        https://www.rfc-editor.org/rfc/rfc9112#section-9.6
        """
        self._has_ended = True
        return self._owes_an_answer()

    def on_response_complete(self) -> None:
        """Goes on to the next request that has arrived, if there is one."""
        super().on_response_complete()
        if self._has_ended and not self._owes_an_answer():
            self.transport.close()

    def _owes_an_answer(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP; after an answer has begun, no other can follow."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # what the application would answer comes too late
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            hint = "send HTTP/1.1, and a body of the length that its head says"
            error = InputError("http-invalid", "what was sent is not HTTP", received=msg, hint=hint)
            response = error_response(error, str(uuid.uuid4()))
            headers = [*response.headers.items(), ("connection", "close")]
            head = h11.Response(status_code=response.status, headers=headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=response.body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Server(Server):
    """uvicorn's own would stop listening at once, and end by the signal instead of with exit code 0."""

    def __init__(self, config: Config, function: Function) -> None:
        super().__init__(config)
        self._function = function
        self._closes_at: float | None = None
        self._grpc: Any = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT; may interrupt any line of the event loop's thread."""
        del frame
        if self._closes_at is not None:
            # As process 1 of a container, no signal's default action would end us.
            os._exit(128 + sig)
        # Ctrl-C comes from a person, to whom nobody routes requests.
        drain_s = self._function.settings.drain_s if sig == signal.SIGTERM else 0
        self._closes_at = time.monotonic() + drain_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop listening."""
        if self._closes_at is not None:
            if not self._function.asgi.draining:
                self._function.asgi.draining = True
                self._function.telemetry.info(
                    "shutting down", unfinished=self._function.asgi.unfinished
                )
            self.should_exit = time.monotonic() >= self._closes_at
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, for gRPC too where it is asked for."""
        await super().startup(sockets)
        port = self._function.settings.grpc_port
        if port is not None:
            self._grpc = await _start_grpc(self._function, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the listener, then every connection once it has its answer."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(LINGER_S)
        ends = [super().shutdown(sockets)]
        if self._grpc is not None:
            ends.append(self._grpc.stop(GRACEFUL_SHUTDOWN_S - self._function.settings.drain_s))
        await asyncio.gather(*ends)


async def _start_grpc(function: Function, port: int) -> Any:
    try:
        from liteship.runtime.grpc_door.service import start_server
    except ImportError as error:
        raise ConfigurationError(
            "grpc-missing",
            f"LITESHIP_GRPC_PORT is set, but gRPC cannot be loaded: {error}",
            hint="install liteship[grpc], or unset LITESHIP_GRPC_PORT",
        ) from error
    server, _ = await start_server(function.asgi, function, port)
    return server
