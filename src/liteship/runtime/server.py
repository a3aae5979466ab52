"""The HTTP server that Knative, Kubernetes and people run; with `connection` alone it knows uvicorn."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time

from liteship.errors import ConfigurationError
from liteship.runtime.deferred import defer_package
from liteship.runtime.listener import BACKLOG

_uvicorn = defer_package("uvicorn")  # else: click, multiprocessing, and a sixth of the start's CPU time

from uvicorn.config import Config  # noqa: E402
from uvicorn.server import Server  # noqa: E402

from liteship.runtime.connection import KEEP_ALIVE_S, Connection  # noqa: E402

vars(_uvicorn).setdefault("Config", Config)  # what uvicorn's own modules ask the package for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import FrameType
    from typing import Any

    from liteship.runtime.function import Function

GRACEFUL_SHUTDOWN_S = 25
"""From SIGTERM to the end, draining included: below Kubernetes' default grace period of 30 s."""

KEPT_BYTES = 2**21
"""Largest piece of memory that is kept; no more than twice as much is kept unused."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's `malloc.h`."""

LINGER_S = 0.2
"""After the listener is closed: what arrived on a connection just before is read, and answered."""


def serve(function: Function, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT, and answers what it accepted.

    After SIGTERM it still listens for `settings.drain_s`; a second signal ends the process at once.

    Args:
        function: The function that answers.
        listener: Where it is asked; see `liteship.runtime.listener.listen`. It is closed in the end.
    """
    _keep_memory()
    host, port = listener.getsockname()[:2]
    function.telemetry.info("serving", host=host, port=port, workers=function.asgi.workers)
    config = Config(
        function.asgi,
        http=Connection,
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


def _keep_memory() -> None:
    """Lets malloc keep what a request took, for the next one, where the C library is glibc.

    Else a tensor of 150 kB is given back to the kernel after each request, and comes anew as 38 page
    faults: 0.1 ms (https://man7.org/linux/man-pages/man3/mallopt.3.html).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


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
