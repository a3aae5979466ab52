"""Inference alone, in a process of its own: what no server can be cheaper than, nor scale better than.

python -m benchmarks.comparison.inference MODEL.tflite INVOCATIONS
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from liteship.runtime.interpreter import Interpreter


class Alone(NamedTuple):
    """Means of many inferences in a fresh process.

    Args:
        cpu_ms: CPU milliseconds of one.
        gain: How many times as many two threads run, with an interpreter each.
    """

    cpu_ms: float
    gain: float


def infer_alone(model: Path, invocations: int) -> Alone:
    """What a model takes without a server."""
    command = (sys.executable, "-m", "benchmarks.comparison.inference", model, str(invocations))
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return Alone(*json.loads(result.stdout))


def pixels_ms() -> dict[str, list[float]]:
    """What `benchmarks.codecs.measure_pixels` gives: milliseconds by table, and in floats."""
    program = "import json, benchmarks.codecs as codecs; print(json.dumps(codecs.measure_pixels()))"
    result = subprocess.run((sys.executable, "-c", program), check=True, stdout=subprocess.PIPE)
    found: dict[str, list[float]] = json.loads(result.stdout)
    return found


def _measure(model: Path, invocations: int) -> Alone:
    content = model.read_bytes()
    interpreters = [create_interpreter(content) for _ in range(2)]
    inputs = {name: bytes(spec.size_bytes) for name, spec in interpreters[0].inputs.items()}

    def infer(interpreter: Interpreter, invocations: int) -> None:
        for _ in range(invocations):
            interpreter.invoke(inputs)

    for each in interpreters:
        infer(each, invocations // 10 + 1)
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    infer(interpreters[0], invocations)
    one_s, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    threads = [threading.Thread(target=infer, args=(each, invocations)) for each in interpreters]
    start_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    two_s = time.perf_counter() - start_s
    return Alone(cpu_s / invocations * 1e3, 2 * one_s / two_s)


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
