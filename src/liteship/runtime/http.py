"""Requests, responses and routes without a framework, and the one table of HTTP statuses."""

from __future__ import annotations

import json

from liteship.errors import (
    InputError,
    LiteshipError,
    NotFoundError,
    NotReadyError,
    PayloadTooLargeError,
    UnsupportedMediaError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from liteship.runtime.function import Function

    Answer = Callable[[Function, "Request"], "Response"]

MOST_PARAMETERS = 100
"""Of one query."""

STATUS = {
    NotFoundError: 404,
    PayloadTooLargeError: 413,
    UnsupportedMediaError: 415,
    InputError: 400,
    NotReadyError: 503,
}
"""Error family to HTTP status; every other error is a 500."""


class Request:
    """What arrived over HTTP, whoever carried it.

    Args:
        method: Upper case.
        path: Percent-decoded, without the query.
        headers: Names in lower case.
        body: The bytes sent.
        request_id: Names this request in answers and logs.
        query: What follows the question mark, still percent-encoded.

    Attributes:
        path_parameters: The parts of the path that its route names.
        model: Name and version of the model that its route found for it; for `/metrics`.
    """

    __slots__ = (
        "_parameters",
        "body",
        "headers",
        "method",
        "model",
        "path",
        "path_parameters",
        "query",
        "request_id",
    )

    def __init__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        request_id: str,
        query: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.request_id = request_id
        self.query = query
        self.path_parameters: Mapping[str, str] = {}
        self.model: tuple[str, str] | None = None
        self._parameters: Mapping[str, list[str]] | None = None

    def parameter(self, name: str) -> str | None:
        """The last value that the query gives this parameter; None where it has none.

        Raises:
            InputError: `query-invalid`.
        """
        if not self.query:
            return None
        if self._parameters is None:
            self._parameters = self._read_query()
        return self._parameters[name][-1] if name in self._parameters else None

    def _read_query(self) -> Mapping[str, list[str]]:
        from urllib.parse import parse_qs

        try:
            return parse_qs(self.query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError as error:
            raise InputError(
                "query-invalid",
                f"the query cannot be read: {error}",
                expected=f"at most {MOST_PARAMETERS} parameters",
                hint="send only the parameters that docs/guides/requests.md lists",
            ) from error


class Response:
    """What goes back.

    Args:
        status: HTTP status code.
        content: JSON-ready; or bytes, whose `content-type` is in `headers`.
        headers: Beyond `content-length`; names in lower case.

    Attributes:
        model: As the request's.
    """

    __slots__ = ("body", "headers", "model", "status")

    def __init__(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = content if isinstance(content, bytes) else encode_json(content) + b"\n"
        self.headers = {
            "content-type": "application/json",
            "content-length": str(len(self.body)),
            **(headers or {}),
        }
        self.model: tuple[str, str] | None = None


class Route:
    """A method and a path, and what answers there.

    Args:
        method: Upper case.
        template: The path, with `{name}` where what is between two slashes is the caller's; a word
            may follow, as in `{name}:predict`.
        answer: Gives the response; its docstring's first line describes the route.
        kind: `HEALTH`, `QUESTION` or `WORK`.
    """

    __slots__ = ("_parts", "answer", "kind", "method", "template")

    def __init__(self, method: str, template: str, answer: Answer, kind: str) -> None:
        self.method = method
        self.template = template
        self.answer = answer
        self.kind = kind
        self._parts = template.split("/")

    def match(self, method: str, parts: Sequence[str]) -> dict[str, str] | None:
        """The named parts of a path that this route answers; None for every other request.

        Args:
            method: Upper case.
            parts: What is between the slashes of the path.
        """
        if method != self.method or len(parts) != len(self._parts):
            return None
        named = {}
        for part, expected in zip(parts, self._parts, strict=True):
            if not expected.startswith("{"):
                if part != expected:
                    return None
                continue
            name, _, after = expected[1:].partition("}")
            value = part.removesuffix(after)
            if not value or value + after != part:
                return None
            named[name] = value
        return named


HEALTH = "health"
"""Asked by platforms every few seconds: answered at once, and not counted."""

QUESTION = "question"
"""Answered at once."""

WORK = "work"
"""Takes a place in the queue, and a thread."""


def find_route(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The first route that answers a request, and the named parts of its path."""
    parts = path.split("/")
    for route in routes:
        named = route.match(method, parts)
        if named is not None:
            return route, named
    return None


def encode_json(content: object, indent: int | None = None) -> bytes:
    """JSON in UTF-8, ready to be sent.

    A lone surrogate, which JSON can name and UTF-8 cannot hold, stays an escape sequence: a caller's
    odd key must not break the answer that quotes it.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode(errors="backslashreplace")


def error_response(error: Exception, request_id: str) -> Response:
    """The answer to a request that failed.

    A mistake of the caller's says what to mend. Any other failure is opaque: the detail belongs in
    the log, under the same request id.
    """
    for family, status in STATUS.items():
        if isinstance(error, family):
            return Response(status, {**error.as_dict(), "request_id": request_id})
    return Response(
        500,
        {
            "error": "the request could not be answered",
            "reference": error.reference if isinstance(error, LiteshipError) else "internal",
            "request_id": request_id,
            "hint": "look for the request id in the function's log",
        },
    )


def check_body_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuses a body over the limit.

    Raises:
        PayloadTooLargeError: `body-too-large`.
    """
    if size_bytes > limit_bytes:
        raise PayloadTooLargeError(
            "body-too-large",
            "the request body is too large",
            expected=f"at most {limit_bytes:,} bytes",
            received=f"{size_bytes:,} bytes",
            hint="send a smaller picture, or put it into the S3 bucket",
        )
