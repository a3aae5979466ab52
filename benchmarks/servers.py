"""The wine function behind each HTTP server that is installed: cold start, and what a request costs.

    python -m benchmarks.servers [--runs 9] [--requests 2000]

The first row is the server that images run; the others run the function's ASGI application, and the
last ones an echo, the least that they cost by themselves. Cold start is from spawn to the first answer.
A request's cost is the server's CPU time, children included, over many requests on four connections: it
does not depend on how fast the client is. Each round runs every server once, in turn; medians.
Candidates that cannot be imported are left out: install uvicorn, h11, uvloop, zttp, hypercorn, granian
and h2 into an environment of their own, and run this with its Python.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import socket
import statistics
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from benchmarks.comparison.client import Connection, request_bytes
from benchmarks.comparison.process import Command, start

ROOT = Path(__file__).parents[1]
WINE = ROOT / "functions" / "wine"
CONNECTIONS = 4
PATIENCE_S = 30

OWN = """
import os
os.environ["PORT"] = str(port)
from liteship.runtime.__main__ import main
main([])
"""
ECHO = """
import uvicorn
async def echo(scope, receive, send):
    if scope["type"] != "http": return
    message = await receive()
    length = (b"content-length", b"%d" % len(message["body"]))
    await send({{"type": "http.response.start", "status": 200, "headers": [length]}})
    await send({{"type": "http.response.body", "body": message["body"]}})
uvicorn.run(echo, port=port, log_config=None, access_log=False, ws="none", **{options})
"""

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
port = int(sys.argv[1])
"""
HANDLER = "from app import handler\n"

VALUES = [0.5] * 13
TENSOR = struct.pack("<13f", *VALUES)
NAMED = {"name": "measurements", "shape": [1, 13], "datatype": "FP32"}
BINARY = json.dumps({"inputs": [NAMED | {"parameters": {"binary_data_size": len(TENSOR)}}]}).encode()
V2 = "/v2/models/wine/infer"
FORMS = {
    "raw": ("/predict", "content-type: application/octet-stream", TENSOR),
    "V2 JSON": (
        V2,
        "content-type: application/json",
        json.dumps({"inputs": [NAMED | {"data": VALUES}]}).encode(),
    ),
    "V2 binary": (V2, f"inference-header-content-length: {len(BINARY)}", BINARY + TENSOR),
}


class Candidate(NamedTuple):
    """A server: what it needs installed, how it is started, and what it is asked in."""

    needs: tuple[str, ...]
    start: str
    http2: bool = False
    echoes: bool = False


class Cost(NamedTuple):
    """Of one run of one server."""

    first_answer_ms: float
    first_answer_cpu_ms: float
    request_cpu_ms: dict[str, float]  # of each form


H11, HTTPTOOLS = ({"http": parser, "loop": "asyncio"} for parser in ("h11", "httptools"))
CANDIDATES = {
    "liteship": Candidate(("httptools",), OWN),
    "uvicorn, h11": Candidate(("uvicorn", "h11"), UVICORN.format(options=H11)),
    "uvicorn, httptools": Candidate(("uvicorn", "httptools"), UVICORN.format(options=HTTPTOOLS)),
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
    "echo, uvicorn, h11": Candidate(("uvicorn", "h11"), ECHO.format(options=H11), echoes=True),
    "echo, uvicorn, httptools": Candidate(("uvicorn",), ECHO.format(options=HTTPTOOLS), echoes=True),
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
    print(f"{'medians':28}{'first answer, ms':>17}{'CPU, ms':>9}", "  CPU ms a request:", *FORMS)
    for name, measured in costs.items():
        first = statistics.median(cost.first_answer_ms for cost in measured)
        cpu = statistics.median(cost.first_answer_cpu_ms for cost in measured)
        each = [statistics.median(cost.request_cpu_ms[form] for cost in measured) for form in FORMS]
        print(f"{name:28}{first:17.0f}{cpu:9.0f}", *(f"{ms:12.3f}" for ms in each))


def measure(candidate: Candidate, requests: int) -> Cost:
    """Starts a server, asks it, and ends it.

    Raises:
        SystemExit: It answers something else, or nothing.
    """
    ask = ask_http2 if candidate.http2 else ask_http1
    program = START + ("" if candidate.echoes else HANDLER) + candidate.start
    variables = {"PYTHONPATH": str(ROOT / "src"), "LITESHIP_WORKERS": "2"}
    command = Command((sys.executable, "-c", program, "{port}"), WINE, variables)
    with tempfile.NamedTemporaryFile() as log, start(command, Path(log.name)) as running:
        port = running.port
        running.wait(PATIENCE_S)
        ask(port, "raw", 1, candidate.echoes)
        first_answer_ms = (time.perf_counter() - running.started_s) * 1e3
        first_cpu_ms = running.cpu_ms()
        request_cpu_ms = {}
        for form in FORMS:
            ask(port, form, requests // 10, candidate.echoes)
            before_ms = running.cpu_ms()
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                asked = repeat((port, form, requests // CONNECTIONS, candidate.echoes), CONNECTIONS)
                list(pool.map(lambda each: ask(*each), asked))
            request_cpu_ms[form] = (running.cpu_ms() - before_ms) / requests
    return Cost(first_answer_ms, first_cpu_ms, request_cpu_ms)


def ask_http1(port: int, form: str, requests: int, echoes: bool) -> None:
    """Sends requests one after another over one connection, and checks every answer."""
    path, header, body = FORMS[form]
    name, _, value = header.partition(": ")
    request = request_bytes(path, {name: value}, body)
    connection = Connection(port)
    for _ in range(requests):
        status, _, answer = connection.ask(request)
        check(str(status), answer, body if echoes else b"wine")
    connection.close()


def ask_http2(port: int, form: str, requests: int, echoes: bool) -> None:
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
        path, header, sent = FORMS[form]
        name, _, value = header.partition(": ")
        headers = [
            (":method", "POST"),
            (":path", path),
            (":scheme", "http"),
            (":authority", "localhost"),
            (name, value),
        ]
        for _ in range(requests):
            stream = state.get_next_available_stream_id()
            state.send_headers(stream, headers)
            state.send_data(stream, sent, end_stream=True)
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
            check(status, body, sent if echoes else b"wine")


def receive(connection: socket.socket) -> bytes:
    """Some bytes.

    Raises:
        SystemExit: The server closed the connection.
    """
    return connection.recv(65536) or sys.exit("the server closed the connection")


def check(status: str, body: bytes, expected: bytes) -> None:
    """Ends the program if the answer is not what is expected."""
    if status != "200" or expected not in body:
        sys.exit(f"no such answer: {status} {body[:200]!r}")


if __name__ == "__main__":
    main()
