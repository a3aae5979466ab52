"""What it costs and saves that requests share runs of the model: HTTP, raw tensors, keep-alive.

    python -m benchmarks.batching [MODEL ...]

Servers with several settings take turns, `ROUNDS` times, with 1, 4 and 16 callers; medians. Decision
15 holds the table.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.comparison.client import hammer, request_bytes
from benchmarks.comparison.measuring import measure_requests, p99
from benchmarks.comparison.models import APP
from benchmarks.comparison.process import Command, Running, start
from benchmarks.xnnpack import models

if TYPE_CHECKING:
    from collections.abc import Iterator

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
WARM_UP = 100
"""Requests, which also tell how many take `SECONDS`."""


def main() -> None:
    """Prints a table of models, callers and settings."""
    print("| model | callers | batching | CPU ms a request | requests a second | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    found = models()
    for name in sys.argv[1:] or ["tiny int8", "dense int8", "dense float32"]:
        path, item = found[name]
        (body,) = item.values()
        with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as ends:
            folder = Path(place)
            (folder / "app.py").write_text(APP)
            # An artifact's folder has its manifest beside the model; of float32 it is built beside
            source = path.parent if path.name == "model.tflite" else path.parent / "float32"
            (folder / "model").symlink_to(source)
            servers = {
                settings: ends.enter_context(_start(folder, settings, variables))
                for settings, variables in SETTINGS.items()
            }
            _print_rows(name, servers, body)


@contextlib.contextmanager
def _start(folder: Path, settings: str, variables: dict[str, str]) -> Iterator[Running]:
    """A function's HTTP server, once it listens."""
    arguments = (sys.executable, "-m", "liteship.runtime")
    command = Command(arguments, folder, {"LITESHIP_QUEUE": "64", **variables})
    with start(command, folder / f"{settings}.log") as running:
        running.wait(PATIENCE_S)
        yield running


def _print_rows(name: str, servers: dict[str, Running], body: bytes) -> None:
    request = request_bytes("/predict", {"content-type": "application/octet-stream"}, body)
    for server in servers.values():
        hammer(server.port, request, 4, WARM_UP)
    for callers in CALLERS:
        figures: dict[str, list[tuple[float, ...]]] = {settings: [] for settings in servers}
        for _ in range(ROUNDS):
            for settings, server in servers.items():
                figures[settings].append(_round(server, request, callers))
        for settings, rounds in figures.items():
            cpu_ms, rate, middle, late = (median(each) for each in zip(*rounds, strict=True))
            cells = f"{cpu_ms:.3f} | {rate:.0f} | {middle:.2f} | {late:.2f}"
            print(f"| {name} | {callers} | {settings} | {cells} |", flush=True)


def _round(server: Running, request: bytes, callers: int) -> tuple[float, ...]:
    """CPU ms a request, requests a second, and the latency's median and 99th percentile in ms."""
    rate = measure_requests(server, request, callers, WARM_UP).requests_per_s
    cost = measure_requests(server, request, callers, max(int(rate * SECONDS), WARM_UP))
    return cost.cpu_ms, cost.requests_per_s, median(cost.latencies_ms), p99(cost.latencies_ms)


if __name__ == "__main__":
    main()
