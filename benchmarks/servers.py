"""The digits function behind each HTTP server that is installed: cold start, and what a request costs.

    python benchmarks/servers.py [--runs 9] [--requests 2000]

Cold start is from spawn to the first answer. A request's cost is the server's CPU time, children
included, over many requests on four connections: it does not depend on how fast the client is.
Requests a second do, where the client speaks HTTP/2 in Python. Each round runs every server once, in
turn; medians. Candidates that cannot be imported are left out: install uvicorn, httptools, uvloop,
zttp, hypercorn, granian and h2 into an environment of their own, and run this with its Python.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "functions" / "digits"
CONNECTIONS = 4
BODY = bytes(64)
PATIENCE_S = 30

UVICORN = """
import uvicorn
uvicorn.run(handler.asgi, port=port, log_config=None, access_log=False, ws="none", **{options})
"""
HYPERCORN = """
import asyncio
from hypercorn.asyncio import serve
from hypercorn.config import Config
config = Config()
config.bind = [f"127.0.0.1:{port}"]
asyncio.run(serve(handler.asgi, config))
"""
GRANIAN = """
import asyncio
from granian.server.embed import Server
asyncio.run(Server(handler.asgi, port=port, interface="asgi", http="{http}", log_enabled=False,
                   websockets=False).serve())
"""
START = """
import sys
sys.path.insert(0, ".")
from app import handler
port = int(sys.argv[1])
"""


class Candidate(NamedTuple):
    """A server: what it needs installed, how it is started, and what it is asked in."""

    needs: tuple[str, ...]
    start: str
    http2: bool = False


class Cost(NamedTuple):
    """Of one run of one server."""

    first_answer_ms: float
    first_answer_cpu_ms: float
    requests_per_s: float
    request_cpu_ms: float


CANDIDATES = {
    "uvicorn, h11": Candidate(
        ("uvicorn", "h11"), UVICORN.format(options={"http": "h11", "loop": "asyncio"})
    ),
    "uvicorn, httptools": Candidate(
        ("uvicorn", "httptools"), UVICORN.format(options={"http": "httptools", "loop": "asyncio"})
    ),
    "uvicorn, httptools, uvloop": Candidate(
        ("uvicorn", "httptools", "uvloop"),
        UVICORN.format(options={"http": "httptools", "loop": "uvloop"}),
    ),
    "uvicorn, zttp": Candidate(
        ("uvicorn", "zttp"), UVICORN.format(options={"http": "zttp", "loop": "asyncio"})
    ),
    "uvicorn, zttp, h2c": Candidate(
        ("uvicorn", "zttp", "h2"),
        UVICORN.format(options={"http": "zttp", "loop": "asyncio", "http2": True}),
        http2=True,
    ),
    "hypercorn": Candidate(("hypercorn",), HYPERCORN),
    "hypercorn, h2c": Candidate(("hypercorn", "h2"), HYPERCORN, http2=True),
    "granian": Candidate(("granian",), GRANIAN.format(http="1")),
    "granian, h2c": Candidate(("granian", "h2"), GRANIAN.format(http="2"), http2=True),
}


def main() -> None:
    """Measures every candidate in turn and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="rounds to take the median of")
    parser.add_argument("--requests", type=int, default=2000, help="requests of each round")
    arguments = parser.parse_args()
    candidates = {
        name: candidate
        for name, candidate in CANDIDATES.items()
        if all(map(importlib.util.find_spec, candidate.needs))
    }
    costs: dict[str, list[Cost]] = {name: [] for name in candidates}
    for run in range(arguments.runs + 1):
        for name, candidate in candidates.items():
            cost = measure(candidate, arguments.requests)
            if run:  # the first round fills the page cache
                costs[name].append(cost)
    print(f"{'':28}{'first answer, ms':>17}{'CPU, ms':>9}{'requests/s':>12}{'CPU ms/request':>16}")
    for name, measured in costs.items():
        first, first_cpu, rate, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
        print(f"{name:28}{first:17.0f}{first_cpu:9.0f}{rate:12.0f}{cpu:16.3f}")


def measure(candidate: Candidate, requests: int) -> Cost:
    """Starts a server, asks it, and ends it.

    Raises:
        SystemExit: It answers something else, or nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    ask = ask_http2 if candidate.http2 else ask_http1
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", START + candidate.start, str(port)],
        cwd=DIGITS,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "LITESHIP_WORKERS": "2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        connect(port, process).close()
        ask(port, 1)
        first_answer_ms = (time.perf_counter() - start) * 1e3
        cpu_before_s, start = cpu_s(process.pid), time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(ask, [port] * CONNECTIONS, [requests // CONNECTIONS] * CONNECTIONS))
        wall_s = time.perf_counter() - start
        request_cpu_ms = (cpu_s(process.pid) - cpu_before_s) / requests * 1e3
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Cost(first_answer_ms, cpu_before_s * 1e3, requests / wall_s, request_cpu_ms)


def connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    """A connection, as soon as the server listens."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        time.sleep(0.002)
    sys.exit("the server did not start")


def ask_http1(port: int, requests: int) -> None:
    """Sends requests one after another over one connection, and checks every answer."""
    head = (
        f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n"
        f"content-length: {len(BODY)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            connection.sendall(head.encode() + BODY)
            status, body = read_http1(connection)
            check(status, body)


def read_http1(connection: socket.socket) -> tuple[str, bytes]:
    """One answer with a content length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        body += receive(connection)
    return lines[0].split(" ")[1], body


def ask_http2(port: int, requests: int) -> None:
    """The same in HTTP/2 with prior knowledge."""
    from h2.connection import H2Connection  # type: ignore[import-not-found]
    from h2.events import (  # type: ignore[import-not-found]
        DataReceived,
        ResponseReceived,
        StreamEnded,
    )

    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state = H2Connection()
        state.initiate_connection()
        headers = [
            (":method", "POST"),
            (":path", "/predict"),
            (":scheme", "http"),
            (":authority", "localhost"),
            ("content-type", "application/octet-stream"),
        ]
        for _ in range(requests):
            stream = state.get_next_available_stream_id()
            state.send_headers(stream, headers)
            state.send_data(stream, BODY, end_stream=True)
            connection.sendall(state.data_to_send())
            status, body, ended = "", b"", False
            while not ended:
                for event in state.receive_data(receive(connection)):
                    if isinstance(event, ResponseReceived):
                        found = {bytes(name): bytes(value) for name, value in event.headers}
                        status = found[b":status"].decode()
                    elif isinstance(event, DataReceived):
                        body += event.data
                        state.acknowledge_received_data(event.flow_controlled_length, stream)
                    ended = ended or isinstance(event, StreamEnded)
                connection.sendall(state.data_to_send())
            check(status, body)


def receive(connection: socket.socket) -> bytes:
    """Some bytes.

    Raises:
        SystemExit: The server closed the connection.
    """
    return connection.recv(65536) or sys.exit("the server closed the connection")


def check(status: str, body: bytes) -> None:
    """Ends the program if the answer is not a prediction."""
    if status != "200" or "predictions" not in json.loads(body):
        sys.exit(f"no prediction: {status} {body[:200]!r}")


def cpu_s(session: int) -> float:
    """CPU seconds of all processes of a session so far, from /proc (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
