"""Requests that are passed on to a Pod's process."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

HOP_BY_HOP = frozenset(
    ["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding"]
)
"""Headers of one connection (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)."""

PATIENCE_S = 60


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, by length or in chunks."""
    if "chunked" not in handler.headers.get("transfer-encoding", ""):
        return handler.rfile.read(int(handler.headers.get("content-length") or 0))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def forward(handler: BaseHTTPRequestHandler, port: int, path: str, body: bytes, host: str) -> None:
    """Sends a request on, and its answer back.

    Raises:
        OSError: Nobody listens there.
        http.client.HTTPException: The answer broke off.
    """
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(handler.command, path, body or None, headers | {"host": host})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
    send(handler, answer.status, content, kept)


def send(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: list[tuple[str, str]]
) -> None:
    """Writes a whole answer."""
    handler.send_response_only(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)
