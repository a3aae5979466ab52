"""What it costs and saves that requests share runs of the model: HTTP, raw tensors, keep-alive.

    python -m benchmarks.batching [MODEL ...]

Servers with several settings take turns, `ROUNDS` times, with 1, 4 and 16 callers; medians. CPU time
is the server's, of all its threads. The caller is one process without threads. Decision 15 holds the
table.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.comparison.models import APP
from benchmarks.xnnpack import models

SETTINGS = {
    "off": {"LITESHIP_BATCHING": "off"},
    "off, 16 workers": {"LITESHIP_BATCHING": "off", "LITESHIP_WORKERS": "16"},
    "32": {"LITESHIP_BATCHING": "32"},
    "32, 16 workers": {"LITESHIP_BATCHING": "32", "LITESHIP_WORKERS": "16"},
}
CALLERS = (1, 4, 16)
ROUNDS = 3
SECONDS = 2.0
PATIENCE_S = 30.0
FIRST_PORT = 21_600
"""Below 32768: a client retrying to connect to a port that may be its own can connect to itself."""


class Server:
    """A function's HTTP server in a process of its own."""

    def __init__(self, folder: Path, port: int, settings: dict[str, str]) -> None:
        self.port = port
        environment = {**os.environ, "PORT": str(port), "LITESHIP_QUEUE": "64", **settings}
        with (folder / f"{port}.log").open("wb") as log:
            command = (sys.executable, "-m", "liteship.runtime")
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def cpu_ms(self) -> float:
        """CPU time of all its threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def call(port: int, callers: int, body: bytes, seconds: float) -> list[float]:
    """Each answered request's milliseconds, of so many callers that ask again at once."""
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    request = head.encode() + b"content-type: application/octet-stream\r\n\r\n" + body
    poll = select.epoll()
    open_now: dict[int, tuple[socket.socket, bytearray]] = {}
    since = {}
    for _ in range(callers):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        open_now[connection.fileno()] = connection, bytearray()
        poll.register(connection, select.EPOLLIN)
        connection.sendall(request)
        since[connection.fileno()] = time.perf_counter()
    answered_ms = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for descriptor, _event in poll.poll(1):
            connection, received = open_now[descriptor]
            received += connection.recv(65536)
            start, found, content = bytes(received).partition(b"\r\n\r\n")
            length = start.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            if not found or len(content) < int(length):
                continue
            if b" 200 " not in start[:20]:
                sys.exit(f"refused: {content[:300]!r}")
            now = time.perf_counter()
            answered_ms.append((now - since[descriptor]) * 1e3)
            received.clear()
            since[descriptor] = now
            connection.sendall(request)
    for connection, _received in open_now.values():
        connection.close()
    return sorted(answered_ms)


def main() -> None:
    """Prints a table of models, callers and settings."""
    print("| model | callers | batching | CPU ms a request | requests a second | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    found = models()
    port = FIRST_PORT
    for name in sys.argv[1:] or ["tiny int8", "dense int8", "dense float32"]:
        path, item = found[name]
        (body,) = item.values()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "app.py").write_text(APP)
            # An artifact's folder has its manifest beside the model; of float32 it is built beside
            source = path.parent if path.name == "model.tflite" else path.parent / "float32"
            (folder / "model").symlink_to(source)
            servers = {}
            for settings, environment in SETTINGS.items():
                servers[settings] = Server(folder, port, environment)
                port += 1
            try:
                _print_rows(name, servers, body)
            finally:
                for server in servers.values():
                    server.process.kill()
                    server.process.wait()


def _print_rows(name: str, servers: dict[str, Server], body: bytes) -> None:
    for server in servers.values():
        call(server.port, 4, body, 0.5)
    for callers in CALLERS:
        figures: dict[str, list[tuple[float, ...]]] = {settings: [] for settings in servers}
        for _ in range(ROUNDS):
            for settings, server in servers.items():
                cpu_ms = server.cpu_ms()
                answered_ms = call(server.port, callers, body, SECONDS)
                count = len(answered_ms)
                cpu_ms = (server.cpu_ms() - cpu_ms) / count
                middle, late = answered_ms[count // 2], answered_ms[int(count * 0.99)]
                figures[settings].append((cpu_ms, count / SECONDS, middle, late))
        for settings, rounds in figures.items():
            cpu_ms, rate, middle, late = (median(each) for each in zip(*rounds, strict=True))
            cells = f"{cpu_ms:.3f} | {rate:.0f} | {middle:.2f} | {late:.2f}"
            print(f"| {name} | {callers} | {settings} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
