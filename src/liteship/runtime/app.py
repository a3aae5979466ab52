"""The FastAPI application: the user's own routes, and the short list again.

Imported only when something beyond the short list is asked for. Its routes call the functions that
the short list calls, so the answers are the same.
"""

from __future__ import annotations

from functools import partial
from threading import Lock

import liteship
from liteship.errors import InputError
from liteship.runtime import docs_page
from liteship.runtime.deferred import deferred_models
from liteship.runtime.http import Request, Response
from liteship.runtime.protocols import native
from liteship.runtime.protocols.page import PAGE
from liteship.runtime.receiving import read_body, request_id_from
from liteship.runtime.routes import all_routes, refuse, run

with deferred_models():
    from fastapi import FastAPI
    from fastapi import Request as HttpRequest
    from fastapi import Response as HttpResponse
    from fastapi.concurrency import run_in_threadpool
    from fastapi.exception_handlers import http_exception_handler
    from fastapi.exceptions import HTTPException
    from starlette.exceptions import HTTPException as RouterException
    from starlette.routing import Route as HttpRoute

_describing = Lock()
"""The first document builds the models that were deferred."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from liteship.runtime.function import Function
    from liteship.runtime.http import Answer, Route


def create_app(function: Function) -> FastAPI:
    """The application of one function, its own routes included."""
    app = FastAPI(
        title="liteship",
        version=liteship.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    for route in (*all_routes(), *docs_page.ROUTES):
        _add(app, function, route)
    app.openapi = partial(_openapi, function, app)  # type: ignore[method-assign]
    app.add_exception_handler(RouterException, _not_found)
    app.add_exception_handler(Exception, partial(_failed, function))
    if function.extend is not None:
        function.extend(app)
    _add(app, function, PAGE)
    return app


def _add(app: FastAPI, function: Function, route: Route) -> None:
    """Adds a route as Starlette's: FastAPI's takes half a millisecond to find nothing to validate."""
    added = HttpRoute(route.template, _endpoint(function, route.answer), methods=[route.method])
    added.methods = {route.method}  # without the HEAD that it adds to GET, as the short list has none
    app.router.routes.append(added)


def _openapi(function: Function, app: FastAPI) -> dict[str, Any]:
    """Made anew each time: which model is served may change."""
    from liteship.runtime.openapi import document

    with _describing:
        own = FastAPI.openapi(app)
    return document(function, all_routes(), own)


def _endpoint(function: Function, route: Answer) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    async def endpoint(request: HttpRequest) -> HttpResponse:
        request_id = _request_id(request)
        headers = dict(request.headers)
        try:
            body = await read_body(headers, request.receive, function.settings.max_body_bytes)
        except InputError as error:
            return _http_response(refuse(function, error, request_id))
        asked = Request(request.method, request.url.path, headers, body, request_id, request.url.query)
        asked.path_parameters = request.path_params
        return _http_response(await run_in_threadpool(run, route, function, asked))

    return endpoint


def _request_id(request: HttpRequest) -> str:
    # On Lambda, Mangum keeps the invocation's context here.
    context = request.scope.get("aws.context")
    return getattr(context, "aws_request_id", None) or request_id_from(dict(request.headers))


def _http_response(response: Response) -> HttpResponse:
    return HttpResponse(response.body, response.status, response.headers)


async def _failed(function: Function, request: HttpRequest, error: Exception) -> HttpResponse:
    """What nobody expected in a route of the user's own."""
    return _http_response(refuse(function, error, _request_id(request)))


async def _not_found(request: HttpRequest, error: Exception) -> HttpResponse:
    """The router's own refusals (404, 405), in the form of all the others.

    FastAPI's HTTPException is what a route of the user's own raises; it keeps its words.
    """
    if isinstance(error, HTTPException):
        return await http_exception_handler(request, error)
    request_id = _request_id(request)
    allowed = ", ".join(f"{route.method} {route.template}" for route in native.ROUTES)
    headers = {name.lower(): value for name, value in (getattr(error, "headers", None) or {}).items()}
    response = Response(
        getattr(error, "status_code", 500),
        {
            "error": f"{request.method:.20} {request.url.path:.200} is not answered here",
            "reference": "route-unknown",
            "expected": allowed,
            "hint": "GET /openapi.json lists every path",
            "request_id": request_id,
        },
        headers | {"x-request-id": request_id},
    )
    return _http_response(response)
