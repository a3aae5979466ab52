"""A server that answers by a list: for everything that no API server in its senses would send."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Received:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    port: int
    """The client's: one for each connection."""


class Handler(BaseHTTPRequestHandler):
    """Reads a request and has the next of the server's answers given."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer_next(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        port = self.client_address[1]
        received = Received(self.command, parts.path, query, headers, body, port)
        with self.server.lock:
            self.server.received.append(received)
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    do_GET = do_PATCH = do_DELETE = do_POST = answer_next  # noqa: N815  # http.server's names

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Each request takes the next answer; the last one stays."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: list[Answer], tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.received: list[Received] = []
        self.lock = threading.Lock()
        self.ending = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up, or that does not trust the certificate, is what is tested."""


def answer(status: int, body: bytes, content_type: str = "text/plain", **headers: str) -> Answer:
    """A whole answer."""

    def give(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return give


def as_json(content: Any, status: int = 200, **headers: str) -> Answer:
    """A whole answer that is JSON."""
    return answer(status, json.dumps(content).encode(), "application/json", **headers)


def status(code: int, reason: str, message: str = "", **headers: str) -> Answer:
    """A refusal as API servers give it."""
    return as_json(status_of(code, reason, message), code, **headers)


def status_of(code: int, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message or reason,
        "reason": reason,
        "code": code,
    }


def stream(*pieces: bytes, whole: bool = True) -> Answer:
    """An answer in pieces that breaks off after the last one, unless it is whole."""

    def give(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = not whole

    return give


def events(*changes: tuple[str, Any], whole: bool = True) -> Answer:
    """A watch's stream."""
    lines = [
        json.dumps({"type": kind, "object": content}).encode() + b"\n" for kind, content in changes
    ]
    return stream(*lines, whole=whole)


def raw(content: bytes) -> Answer:
    """Bytes that need not be HTTP, and then the end of the connection."""

    def give(handler: Handler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return give


def silence(handler: Handler) -> None:
    """No answer, and no end of the connection."""
    handler.server.ending.wait()
    handler.close_connection = True


def listed(*items: Mapping[str, Any], version: str = "10", more: str = "") -> Answer:
    """A list."""
    metadata = {"resourceVersion": version, **({"continue": more} if more else {})}
    return as_json({"kind": "ServiceList", "metadata": metadata, "items": list(items)})


def item(version: str, **more: Any) -> dict[str, Any]:
    """An object."""
    return {"metadata": {"name": "digits", "resourceVersion": version}, **more}


def write_kubeconfig(
    path: Path,
    server: str,
    *,
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> Path:
    """A kubeconfig with one context, called `here`."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [
                    {"name": "here", "context": {"cluster": "c", "user": "u", **(context or {})}}
                ],
                "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
                "users": [{"name": "u", "user": dict(user or {})}],
            }
        )
    )
    return path
