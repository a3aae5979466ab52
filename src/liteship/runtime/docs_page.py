"""The page `/docs`: Swagger UI, served by the function itself, with nothing from elsewhere.

Its files come from the package fastapi-offline, which is not imported: it would change the application.
All addresses are relative, so that the page works at `/docs` and at a stage's `/prod/docs`.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from liteship.errors import NotFoundError
from liteship.runtime.http import Response

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


def page() -> Response:
    """The page.

    Raises:
        NotFoundError: `docs-missing`.
    """
    _folder()
    return Response(200, _PAGE.encode(), {"content-type": "text/html; charset=utf-8", **_POLICY})


def asset(name: str) -> Response:
    """A file of the page.

    Raises:
        NotFoundError: `docs-missing`, or `route-unknown`.
    """
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
