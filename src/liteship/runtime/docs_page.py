"""The OpenAPI document, and the page `/docs` that shows it: Swagger UI, with nothing from elsewhere.

Its files come from the package fastapi-offline, which is not imported: it would change the application.
All addresses are relative, so that the page works at `/docs` and at a stage's `/prod/docs`.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from liteship.errors import NotFoundError
from liteship.runtime.http import QUESTION, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}
"""Files of Swagger UI, and their content types."""

START = "start.js"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""

# Without `validatorUrl: null` it would show every document to validator.swagger.io
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
})
"""

_POLICY = {
    # Swagger UI sets styles by script, and its pictures are data
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_CACHED = {"cache-control": "public, max-age=86400", "x-content-type-options": "nosniff"}


def document(function: Function, _request: Request) -> Response:
    """The OpenAPI document; of routes of the function's own only the application knows."""
    from liteship.runtime.openapi import EMPTY
    from liteship.runtime.openapi import document as document_of
    from liteship.runtime.routes import all_routes

    if function.extend is None:
        return Response(200, document_of(function, all_routes(), EMPTY))
    return Response(200, function.app.openapi())


def page(_function: Function, _request: Request) -> Response:
    """The page.

    Raises:
        NotFoundError: `docs-missing`.
    """
    _folder()
    return Response(200, _PAGE.encode(), {"content-type": "text/html; charset=utf-8", **_POLICY})


def asset(_function: Function, request: Request) -> Response:
    """A file of the page.

    Raises:
        NotFoundError: `docs-missing`, or `route-unknown`.
    """
    name = request.path_parameters["name"]
    if name == START:
        content, content_type = _START.encode(), ASSETS["swagger-ui-bundle.js"]
    elif name in ASSETS:
        with open(os.path.join(_folder(), name), "rb") as file:
            content, content_type = file.read(), ASSETS[name]
    else:
        raise NotFoundError(
            "route-unknown",
            "the page has no such file",
            expected=", ".join([START, *ASSETS]),
            received=f"{name:.80}",
            hint="open /docs",
        )
    return Response(200, content, {"content-type": content_type, **_CACHED})


ROUTES = (
    Route("GET", "/openapi.json", document, QUESTION),
    Route("GET", "/docs", page, QUESTION),
    Route("GET", "/docs/{name}", asset, QUESTION),
)
"""Not described in the document."""


def _folder() -> str:
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise NotFoundError(
            "docs-missing",
            "the files of Swagger UI are not installed",
            expected="the package fastapi-offline",
            hint="pip install fastapi-offline, or read /openapi.json",
        )
    return os.path.join(os.path.dirname(spec.origin), "static")
