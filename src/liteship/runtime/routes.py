"""The short list: paths answered before any web framework is imported.

The FastAPI application calls the same functions for the same paths (`liteship.runtime.app`), so both
ways give the same answer; a test holds them to it. A protocol's module is imported when one of its
paths is asked for.
"""

from __future__ import annotations

from liteship.runtime.http import Response, check_body_size, error_response, find_route
from liteship.runtime.protocols import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from liteship.runtime.function import Function
    from liteship.runtime.http import Answer, Request, Route

_NATIVE = {(route.method, route.template): route for route in native.ROUTES}


def find(function: Function, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request, and the named parts of its path; None if it is not on the short list."""
    route = _NATIVE.get((method, path))
    if route is not None:
        return route, {}
    if path.startswith("/v2/"):
        path = path.removesuffix("/")  # which some of its clients send
    return find_route(_routes_of(function, path), method, path)


def _routes_of(function: Function, path: str) -> Iterable[Route]:
    """The routes of the protocol that a path belongs to."""
    if path.startswith("/v2/repository/"):
        from liteship.runtime.protocols import repository

        return repository.ROUTES
    if path == "/v2" or path.startswith("/v2/"):
        from liteship.runtime.protocols import open_inference

        return open_inference.ROUTES
    if path.startswith("/v1/"):
        from liteship.runtime.protocols import tf_serving

        return tf_serving.ROUTES
    if path == "/model/example":
        from liteship.runtime.protocols import example

        return example.ROUTES
    # The function's own routes come before the page and are in the document: the application knows them
    return _pages(path) if function.extend is None else ()


def _pages(path: str) -> Iterable[Route]:
    """The routes of what people look at."""
    if path == "/":
        from liteship.runtime.protocols import page

        return (page.PAGE,)
    if path in {"/openapi.json", "/docs"} or path.startswith("/docs/"):
        from liteship.runtime import docs_page

        return docs_page.ROUTES
    return ()


def all_routes() -> Iterator[Route]:
    """Every route of the short list, but for the page: a function's own routes come before it."""
    from liteship.runtime.protocols import example, open_inference, repository, tf_serving

    yield from native.ROUTES
    yield from open_inference.ROUTES
    yield from repository.ROUTES
    yield from tf_serving.ROUTES
    yield from example.ROUTES


def answer(function: Function, request: Request) -> Response | None:
    """Answers a request of the short list; None for everything else."""
    found = find(function, request.method, request.path)
    if found is None:
        return None
    route, request.path_parameters = found
    return run(route.answer, function, request)


def run(route: Answer, function: Function, request: Request) -> Response:
    """Runs one route and turns whatever goes wrong into an answer and a line in the log."""
    try:
        limit_bytes = function.settings.max_body_bytes
        check_body_size(len(request.body), limit_bytes)
        if "content-encoding" in request.headers:
            from liteship.runtime.codecs.compressed import decompress

            request.body = decompress(request.body, request.headers["content-encoding"], limit_bytes)
        response = route(function, request)
    except Exception as error:  # noqa: BLE001  # the edge: nothing a caller sends may end the process
        response = refuse(function, error, request.request_id)
    response.headers["x-request-id"] = request.request_id
    response.model = request.model
    return response


def refuse(function: Function, error: Exception, request_id: str) -> Response:
    """Turns what went wrong with a request into its answer and a line in the log."""
    response = error_response(error, request_id)
    response.headers["x-request-id"] = request_id
    function.telemetry.refused(error, response.status, request_id)
    return response
