"""`GET /`: a page on which anybody can try the model.

The page is one file that asks for nothing but this function's own routes; its policy lets it do nothing
else. Whatever it shows of a model, a file or an answer is data to it, never markup.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

from liteship.runtime.http import QUESTION, Request, Response, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pages", "try_it.html")


def try_it(_function: Function, request: Request) -> Response:
    """A page on which to try the model."""
    content, headers = read_page()
    if headers["etag"] in request.headers.get("if-none-match", ""):
        unchanged = Response(304, b"", headers)
        del unchanged.headers["content-length"]  # it would be that of the page
        return unchanged
    return Response(200, content, headers)


PAGE = Route("GET", "/", try_it, QUESTION)
"""Apart from the other routes: one of the function's own at this path comes first."""


@lru_cache(maxsize=1)
def read_page() -> tuple[bytes, dict[str, str]]:
    """The page, and the headers that go with it."""
    with open(FILE, "rb") as file:
        content = file.read()
    policy = (
        "default-src 'none'",
        f"script-src {_hash(content, 'script')}",
        f"style-src {_hash(content, 'style')}",
        "img-src blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(policy),
        "cache-control": "no-cache",  # kept, and asked about each time: a deployment may change it
        "etag": f'"{sha256(content).hexdigest()[:32]}"',
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return content, headers


def _hash(page: bytes, element: str) -> str:
    """The page's only element of this name, as a policy names it (https://www.w3.org/TR/CSP3/)."""
    (text,) = re.findall(rb"<%b[^>]*>(.*?)</%b>" % ((element.encode(),) * 2), page, re.DOTALL)
    return f"'sha256-{b64encode(sha256(text).digest()).decode()}'"
