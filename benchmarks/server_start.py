"""From nothing to ready, and to the first prediction: the HTTP server beside a hello in C and others.

    python -m benchmarks.server_start [--runs 21] [--image NAME ...] [--against SRC] [--probe-ms 50]

Each round starts every server once, in turn, and asks it as Knative's queue-proxy does: GET
/health/ready on a new connection every 50 ms, with 100 ms of patience, the first at a random moment of
these 50 (https://github.com/knative/serving/blob/main/pkg/queue/readiness/probe.go). The first
prediction follows over a connection of its own. Medians, and ratios to the first row, round by round.

With --image, containers of that image instead: one CPU, nothing writable, a network that is there
already, timed from `docker start` of a container that was created before. With --against, the source of
another version beside this one. MobileNetV2 is the comparison's.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.comparison.models import function_folder, make_models
from benchmarks.ratios import median_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "functions" / "digits"
NET = function_folder("mobilenet")
DIGITS_BYTES, NET_BYTES = 64, 224 * 224 * 3
PATIENCE_S = 30
PROBE_TIMEOUT_S = 0.1

ASYNCIO_HELLO = """
import asyncio, os
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\nconnection: close\\r\\n\\r\\nhello")
    await writer.drain()
    writer.write_eof()
    while await reader.read(65536): pass
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "0.0.0.0", int(os.environ["PORT"]))
    await server.serve_forever()
asyncio.run(main())
"""
UVICORN_ECHO = """
import os
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http": return
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})
uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
"""
NAIVE = """
import os
import numpy as np
import uvicorn
from ai_edge_litert.interpreter import Interpreter
from fastapi import FastAPI, Request
app = FastAPI()
interpreter = Interpreter(model_path="model/model.tflite")
interpreter.allocate_tensors()
(given,), result = interpreter.get_input_details(), interpreter.get_output_details()[0]
@app.get("/health/ready")
def ready(): return {"ready": True}
@app.post("/predict")
async def predict(request: Request):
    tensor = np.frombuffer(await request.body(), given["dtype"]).reshape(given["shape"])
    interpreter.set_tensor(given["index"], tensor)
    interpreter.invoke()
    return {"best": int(interpreter.get_tensor(result["index"]).argmax())}
uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
"""


class Server(NamedTuple):
    """How one is started, and the size of what it predicts from."""

    command: tuple[str, ...]
    folder: Path
    source: Path = ROOT / "src"
    body_bytes: int = DIGITS_BYTES
    options: tuple[str, ...] = ()
    image: str = ""


class Times(NamedTuple):
    """Of one start: milliseconds."""

    ready_ms: float
    predicted_ms: float
    cpu_ms: float


Start = Callable[[Server, int], contextlib.AbstractContextManager[tuple[float, Callable[[], float]]]]


def main() -> None:
    """Measures every server in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="rounds to take the median of")
    parser.add_argument("--image", action="append", default=[], help="an image of the digits function")
    parser.add_argument("--against", type=Path, help="folder with another version's liteship package")
    parser.add_argument("--probe-ms", type=float, default=50, help="between two questions; Knative: 50")
    arguments = parser.parse_args()
    make_models((NET.name,))
    moments = random.Random(1)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        servers = (
            containers(Path(folder), arguments.image)
            if arguments.image
            else processes(Path(folder), arguments.against)
        )
        start = start_container if arguments.image else start_process
        starts: dict[str, list[Times]] = {name: [] for name in servers}
        for run in range(arguments.runs + 1):
            for name, server in servers.items():
                probe_s = arguments.probe_ms / 1e3
                measured = measure(start, server, probe_s, moments.uniform(0, probe_s))
                if run:  # the first round fills the page cache
                    starts[name].append(measured)
    report(starts)


def report(starts: dict[str, list[Times]]) -> None:
    """Prints medians and ratios."""
    (first, *_) = starts.values()
    print(f"{'median':52}{'ready, ms':>10}{'predicted':>11}{'× first':>9}{'CPU, ms':>9}")
    for name, measured in starts.items():
        ready, predicted, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
        ratio = median_ratio(
            (each.predicted_ms for each in measured), (each.predicted_ms for each in first)
        )
        used = "" if math.isnan(cpu) else f"{cpu:.0f}"
        print(f"{name:52}{ready:10.0f}{predicted:11.0f}{ratio:9.2f}{used:>9}")


def processes(folder: Path, against: Path | None) -> dict[str, Server]:
    """The servers as processes of this machine."""
    serve = (sys.executable, "-m", "liteship.runtime")
    sources = {"liteship": ROOT / "src"} | ({f"liteship of {against}": against} if against else {})
    servers = {"hello, C": Server((str(c_hello(folder)),), folder)}
    servers["hello, asyncio"] = Server((sys.executable, "-c", ASYNCIO_HELLO), folder)
    servers["echo, uvicorn"] = Server((sys.executable, "-c", UVICORN_ECHO), folder)
    for name, source in sources.items():
        servers[f"{name}, digits"] = Server(serve, DIGITS, source.resolve())
    for name, source in sources.items():
        servers[f"{name}, MobileNetV2"] = Server(serve, NET, source.resolve(), NET_BYTES)
    naive = (sys.executable, "-c", NAIVE)
    servers["FastAPI, uvicorn, LiteRT in Python, MobileNetV2"] = Server(naive, NET, NET, NET_BYTES)
    return servers


def containers(folder: Path, images: list[str]) -> dict[str, Server]:
    """The same in containers, as far as the images hold what they need."""
    hello = c_hello(folder)
    entry = (f"--volume={hello}:/hello:ro", "--entrypoint=/hello")
    model = (f"--volume={NET / 'model'}:/var/task/model:ro",)
    servers = {"hello, C": Server((), folder, options=entry, image=images[0])}
    servers["hello, asyncio"] = Server(
        ("-c", ASYNCIO_HELLO), folder, options=("--entrypoint=python3",), image=images[0]
    )
    for image in images:
        servers[f"{image}, digits"] = Server((), folder, image=image)
    for image in images:
        servers[f"{image}, MobileNetV2"] = Server(
            (), folder, body_bytes=NET_BYTES, options=model, image=image
        )
    return servers


@contextlib.contextmanager
def start_process(server: Server, port: int) -> Iterator[tuple[float, Callable[[], float]]]:
    """A process: when it was started, and what ends it and tells its CPU time in ms."""
    environ = {**os.environ, "PYTHONPATH": str(server.source), "PORT": str(port)}
    began_s = time.perf_counter()
    process = subprocess.Popen(
        server.command,
        cwd=server.folder,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def end() -> float:
        process.kill()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = -signal.SIGKILL
        return (used.ru_utime + used.ru_stime) * 1e3

    try:
        yield began_s, end
    finally:
        if process.returncode is None:
            end()


@contextlib.contextmanager
def start_container(server: Server, port: int) -> Iterator[tuple[float, Callable[[], float]]]:
    """A container that was created before: the same, without CPU time."""
    name = f"liteship-start-{port}"
    restricted = ("--cpus=1", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    options = (*restricted, "--network=host", f"--env=PORT={port}", *server.options)
    docker("create", f"--name={name}", *options, server.image, *server.command)
    try:
        began_s = time.perf_counter()
        # It returns only after the server may have answered
        with subprocess.Popen(["docker", "start", name], stdout=subprocess.DEVNULL):
            yield began_s, lambda: math.nan
    finally:
        docker("rm", "--force", name)


def docker(*arguments: str) -> None:
    """Runs a command of the engine."""
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


def measure(start: Start, server: Server, probe_s: float, first_probe_s: float) -> Times:
    """One start up to its first prediction."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with start(server, port) as (began_s, end):
        next_s = began_s + first_probe_s
        while True:
            time.sleep(max(0, next_s - time.perf_counter()))
            if ask(port, "GET", "/health/ready", PROBE_TIMEOUT_S) == HTTPStatus.OK:
                break
            if time.perf_counter() - began_s > PATIENCE_S:
                sys.exit(f"not ready: {server.command} {server.image}")
            # A ticker that drops what comes while a question is open
            while next_s < time.perf_counter():
                next_s += probe_s
        ready_ms = (time.perf_counter() - began_s) * 1e3
        if ask(port, "POST", "/predict", PATIENCE_S, bytes(server.body_bytes)) != HTTPStatus.OK:
            sys.exit(f"no prediction: {server.command} {server.image}")
        predicted_ms = (time.perf_counter() - began_s) * 1e3
        return Times(ready_ms, predicted_ms, end())


def ask(port: int, method: str, path: str, timeout_s: float, body: bytes = b"") -> int:
    """The status of the answer to one request on a new connection; 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {"content-type": "application/octet-stream"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return answer.status


def c_hello(folder: Path) -> Path:
    """The smallest server there can be: what a process or a container costs by itself."""
    source, program = Path(__file__).with_name("hello.c"), folder / "hello"
    compiler = shutil.which("cc") or sys.exit("there is no C compiler: install gcc")
    subprocess.run([compiler, "-static", "-O1", "-o", program, source], check=True)
    folder.chmod(0o755)  # a container's user is another
    return program


if __name__ == "__main__":
    main()
