"""The only place that knows uvicorn: the HTTP server that Knative, Kubernetes and people run."""

from __future__ import annotations

import uvicorn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function

GRACEFUL_SHUTDOWN_S = 25
"""Time for requests in flight after SIGTERM: below Kubernetes' default grace period of 30 s."""


def serve(function: Function, *, host: str = "0.0.0.0", port: int | None = None) -> None:  # noqa: S104
    """Serves until SIGTERM or SIGINT.

    Args:
        function: The function that answers.
        host: Address to listen on; a container is reached from outside.
        port: Port to listen on; `$PORT` by default.
    """
    port = function.settings.port if port is None else port
    function.telemetry.info("serving", host=host, port=port, workers=function.settings.workers)
    uvicorn.run(
        function.asgi,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )
