"""An S3 of one object, on this machine: enough to measure a function that S3 calls.

It answers every GET with the object and takes every PUT; nothing is checked and nothing is kept.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class ObjectServer:
    """The server, on a free port of the loopback interface; a context manager.

    Attributes:
        body: What every object holds.
    """

    def __init__(self) -> None:
        self.body = b""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """For `AWS_ENDPOINT_URL_S3`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: ObjectServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # boto3 asks "Expect: 100-continue" before it sends a body, which HTTP/1.0 cannot answer
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(server.body)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", '"0"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
