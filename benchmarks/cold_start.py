"""From spawn to first answer under the Lambda emulator: what each choice costs.

Run: .venv/bin/python benchmarks/cold_start.py [RUNS]

Each variant is a fresh emulator and a fresh process every time, all of them side by side in turn; the
table gives medians, and each variant's ratio to the echo handler, pair by pair. CPU time is the
emulator's and the function's together, up to the first answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.cli.output import print_table
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.packaging.package import Package

ECHO = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"
EAGER = """from fastapi import FastAPI
from mangum import Mangum

from liteship import Function

function = Function(__file__)
handler = Mangum(function.app, lifespan="off")
"""


def main() -> None:
    """Measures every variant in turn and prints the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    function = load_function("digits", Path(__file__).parent.parent)
    package = package_for_here(function)
    picture = http_event("POST", "/predict", _seven(), "image/png")
    tensor = http_event("POST", "/predict", bytes(64), "application/octet-stream")
    elements = [0.5] * 64
    open_inference = http_event(
        "POST",
        "/v2/models/digits/infer",
        json.dumps(
            {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 8, 8, 1], "data": elements}]}
        ).encode(),
        "application/json",
    )
    rows_of_pixels = [[[each] for each in elements[:8]]] * 8
    tf_serving = http_event(
        "POST",
        "/v1/models/digits:predict",
        json.dumps({"instances": [rows_of_pixels]}).encode(),
        "application/json",
    )
    with tempfile.TemporaryDirectory() as folder:
        variants: dict[str, tuple[Package, dict[str, str], Any]] = {
            "echo handler": (_with_app(package, Path(folder) / "echo", ECHO), {}, {}),
            "lean, tensor": (package, {}, tensor),
            "lean, PNG": (package, {}, picture),
            "lean, Open Inference": (package, {}, open_inference),
            "lean, TF Serving": (package, {}, tf_serving),
            "powertools, PNG": (package, {"LITESHIP_OBSERVABILITY": "powertools"}, picture),
            "FastAPI first, PNG": (_with_app(package, Path(folder) / "eager", EAGER), {}, picture),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for run in range(runs + 1):
            for name, (packed, environment, event) in variants.items():
                figures = _first_answer(function, packed, environment, event)
                if run:  # the first round fills the page cache
                    times[name].append(figures)
    echo = [cpu for _, cpu in times["echo handler"]]
    rows = []
    for name, measured in times.items():
        ratios = [cpu / base for (_, cpu), base in zip(measured, echo, strict=True)]
        wall_ms = statistics.median(wall for wall, _ in measured)
        cpu_ms = statistics.median(cpu for _, cpu in measured)
        rows.append((name, f"{wall_ms:.0f}", f"{cpu_ms:.0f}", f"{statistics.median(ratios):.2f}"))
    columns = ("variant", "first answer, ms", "CPU, ms", "CPU × echo")
    print_table(f"Spawn to first answer, median of {runs}", columns, rows)


def _first_answer(
    function: Any, package: Package, environment: dict[str, str], event: object
) -> tuple[float, float]:
    """Wall and CPU milliseconds from the emulator's start to the first answer."""
    start = time.perf_counter()
    with LambdaEmulator(function, package, environment=environment) as emulator:
        answer = emulator.invoke(event)
        wall_ms = (time.perf_counter() - start) * 1e3
        if answer["statusCode"] != 200:
            sys.exit(f"no answer: {answer}")
        return wall_ms, _cpu_ms(emulator.pid)


def _cpu_ms(root: int) -> float:
    """CPU time of a process and its descendants, all threads, from /proc (Linux)."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    tasks = (task for pid in family for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def _with_app(package: Package, folder: Path, source: str) -> Package:
    """The same package with another app.py."""
    shutil.copytree(package.python_path[0], folder)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    (folder / "app.py").write_text(source)
    os.sync()
    return replace(package, python_path=(folder, *package.python_path[1:]))


def _seven() -> bytes:
    import io

    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images[digits.target == 7][0] * (255 / 16)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
