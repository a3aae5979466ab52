"""Requests and responses without a framework, and the one table of HTTP statuses."""

from __future__ import annotations

import json

from liteship.errors import (
    InputError,
    LiteshipError,
    NotReadyError,
    PayloadTooLargeError,
    UnsupportedMediaError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = {
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
    """

    __slots__ = ("body", "headers", "method", "path", "request_id")

    def __init__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, request_id: str
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.request_id = request_id


class Response:
    """What goes back.

    Args:
        status: HTTP status code.
        content: JSON-ready.
        headers: Beyond `content-type` and `content-length`; names in lower case.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = encode_json(content) + b"\n"
        self.headers = {
            "content-type": "application/json",
            "content-length": str(len(self.body)),
            **(headers or {}),
        }


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
