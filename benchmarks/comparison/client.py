"""Asks a server over kept connections, from one thread: a client that takes little from the server."""

from __future__ import annotations

import selectors
import socket
import time
from typing import NamedTuple

TIMEOUT_S = 60.0
_RECEIVE_BYTES = 1 << 20


class Answer(NamedTuple):
    """Status, headers with names in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection with one request at a time.

    Raises:
        OSError: Nobody listens, or the server closes it early.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_s = 0.0
        self._received = bytearray()

    def close(self) -> None:
        """Ends it."""
        self.socket.close()

    def ask(self, request: bytes) -> Answer:
        """Sends a request and waits for its answer."""
        self.send(request)
        while (answer := self.receive()) is None:
            pass
        return answer

    def send(self, request: bytes) -> None:
        """Sends a request."""
        self.sent_s = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """What has come; None while the answer is not whole."""
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection before its answer was whole")
        self._received += data
        head, separator, body = bytes(self._received).partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            whole = _unchunked(body)
        else:
            whole = body if len(body) >= int(headers["content-length"]) else None
        if whole is None:
            return None
        self._received.clear()
        return Answer(int(first.split(" ")[1]), headers, whole)


def request_bytes(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def hammer(port: int, request: bytes, connections: int, requests: int) -> list[float]:
    """Sends the same request over and over, one at a time on each connection.

    Returns:
        Milliseconds from each request to its answer.

    Raises:
        SystemExit: An answer that is not 200.
    """
    selector = selectors.DefaultSelector()
    latencies_ms: list[float] = []
    opened = [Connection(port) for _ in range(connections)]
    to_send = requests
    for each in opened:
        selector.register(each.socket, selectors.EVENT_READ, each)
    for each in opened[:to_send]:
        each.send(request)
        to_send -= 1
    while len(latencies_ms) < requests:
        for key, _ in selector.select(TIMEOUT_S) or [_silent()]:
            connection: Connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            latencies_ms.append((time.perf_counter() - connection.sent_s) * 1e3)
            if answer.status != 200:
                raise SystemExit(f"status {answer.status} under load: {answer.body[:300]!r}")
            if to_send > 0:
                connection.send(request)
                to_send -= 1
    for each in opened:
        each.close()
    selector.close()
    return latencies_ms


def _silent() -> tuple[selectors.SelectorKey, int]:
    raise SystemExit(f"no answer within {TIMEOUT_S:g} s")


def _unchunked(body: bytes) -> bytes | None:
    """The content (https://www.rfc-editor.org/rfc/rfc9112#section-7.1); None if it is cut short."""
    content = bytearray()
    while True:
        size_text, separator, rest = body.partition(b"\r\n")
        if not separator:
            return None
        size = int(size_text.split(b";")[0], 16)
        if len(rest) < size + 2:
            return None
        if size == 0:
            return bytes(content)
        content += rest[:size]
        body = rest[size + 2 :]
