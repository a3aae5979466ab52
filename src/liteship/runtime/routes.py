"""The short list: paths answered before any web framework is imported.

The FastAPI application calls the same functions for the same paths (`liteship.runtime.app`), so both
ways give the same answer; a test holds them to it.
"""

from __future__ import annotations

from liteship.runtime.http import Request, Response, check_body_size, error_response
from liteship.runtime.protocols import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.runtime.function import Function

    Route = Callable[[Function, Request], Response]

ROUTES: dict[tuple[str, str], Route] = {**native.ROUTES}


def answer(function: Function, request: Request) -> Response | None:
    """Answers a request of the short list; None for everything else."""
    route = ROUTES.get((request.method, request.path))
    return None if route is None else run(route, function, request)


def run(route: Route, function: Function, request: Request) -> Response:
    """Runs one route and turns whatever goes wrong into an answer and a line in the log."""
    try:
        check_body_size(len(request.body), function.settings.max_body_bytes)
        response = route(function, request)
    except Exception as error:  # noqa: BLE001  # the edge: nothing a caller sends may end the process
        return refuse(function, error, request.request_id)
    response.headers["x-request-id"] = request.request_id
    return response


def refuse(function: Function, error: Exception, request_id: str) -> Response:
    """Turns what went wrong with a request into its answer and a line in the log."""
    response = error_response(error, request_id)
    response.headers["x-request-id"] = request_id
    function.telemetry.refused(error, response.status, request_id)
    return response
