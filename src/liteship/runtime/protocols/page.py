"""`GET /`: a page on which anybody can try the model, and the example it begins with.

The page is one file that asks for nothing but this function's own routes; its policy lets it do nothing
else. Whatever it shows of a model, a file or an answer is data to it, never markup.
"""

from __future__ import annotations

import os
import re
from array import array
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

from liteship.errors import NotFoundError
from liteship.quantization import TYPECODES, dequantize
from liteship.runtime.http import QUESTION, Request, Response, Route
from liteship.runtime.protocols.native import asked_predictor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.function import Function

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pages", "try_it.html")

MOST_ELEMENTS = 4096
"""Of an example: what a person can still look at."""


def try_it(_function: Function, request: Request) -> Response:
    """A page on which to try the model."""
    content, headers = read_page()
    if headers["etag"] in request.headers.get("if-none-match", ""):
        unchanged = Response(304, b"", headers)
        del unchanged.headers["content-length"]  # it would be that of the page
        return unchanged
    return Response(200, content, headers)


def example(function: Function, request: Request) -> Response:
    """A body that `POST /predict` answers: the self-test's input as JSON; 404 where there is none."""
    predictor = asked_predictor(function, request)
    specs = predictor.manifest.inputs
    if "preprocess" in predictor.hooks or sum(spec.elements for spec in specs) > MOST_ELEMENTS:
        raise NotFoundError(
            "example-none",
            f"there is no example for model {predictor.manifest.name}",
            expected=f"at most {MOST_ELEMENTS:,} numbers, and no preprocessing of the function's own",
            hint="GET /model says what the model takes",
        )
    golden = zip(specs, predictor.artifact.golden_inputs, strict=True)
    return Response(200, {"inputs": {spec.name: _nested(spec, data) for spec, data in golden}})


PAGE = Route("GET", "/", try_it, QUESTION)
"""Apart from the other routes: one of the function's own at this path comes first."""

ROUTES = (Route("GET", "/model/example", example, QUESTION),)


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


def _nested(spec: TensorSpec, data: bytes) -> object:
    """A tensor's real numbers in lists of its shape; seven digits, as a person would write them."""
    numbers: array[int] = array(TYPECODES[spec.dtype], data)
    values: list[object] = list(numbers)
    if spec.is_quantized:
        values = list(dequantize(numbers, spec.scale, spec.zero_point))
    level = [float(f"{each:.7g}") if isinstance(each, float) else each for each in values]
    for size in reversed(spec.item_shape):
        level = [level[start : start + size] for start in range(0, len(level), size)]
    return level[0]
