"""First answer of each back end: whole fresh processes, side by side, medians.

    python benchmarks/backends.py [--runs 15]

A process starts Python, makes the interpreter, and answers one input of zeros. Each round runs every
back end once, in turn, so that a busy moment hits them all. Times hold for files that the operating
system has already read. MobileNetV2 (224×224×3) has random weights: they change no time, and need no
download. It is made once, in build/, and needs TensorFlow; `tflite-runtime` needs the environment
that tests/integration/test_backends.py makes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SMALL = ROOT / "tests" / "data" / "models" / "conv-int8.tflite"
LARGE = ROOT / "build" / "benchmarks" / "mobilenet_v2-int8.tflite"
PROJECT = Path(sys.executable)
TFLITE_RUNTIME = ROOT / ".tools" / "tflite-runtime" / "bin" / "python"

NOTHING = "pass"
ANSWER = """
import sys
from liteship.runtime.interpreter import create_interpreter
with open(sys.argv[2], "rb") as file:
    interpreter = create_interpreter(file.read(), sys.argv[1])
interpreter.invoke({name: bytes(spec.size_bytes) for name, spec in interpreter.inputs.items()})
"""

MAKE_LARGE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
tf.keras.utils.set_random_seed(1)
network = tf.keras.applications.MobileNetV2(weights=None)
converter = tf.lite.TFLiteConverter.from_keras_model(network)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
random = np.random.default_rng(1)
def representative():
    for _ in range(4):
        yield [random.uniform(-1, 1, (1, 224, 224, 3)).astype("float32")]
converter.representative_dataset = representative
with open(sys.argv[1], "wb") as file:
    file.write(converter.convert())
"""


class Cost(NamedTuple):
    """Of one process: seconds on the clock and on the processor, and its largest size."""

    wall_s: float
    cpu_s: float
    resident_mib: float


def measure(command: list[str | Path]) -> Cost:
    """Runs a command to its end.

    Raises:
        SystemExit: It failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    with process:
        message = process.stderr.read().decode() if process.stderr else ""
    if process.returncode != 0:
        raise SystemExit(message)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(commands: dict[str, list[str | Path]], runs: int) -> dict[str, list[Cost]]:
    """Costs of every command, taken in turn; a first round that fills the caches is left out."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for each in range(runs + 1):
        for name, command in commands.items():
            cost = measure(command)
            if each:
                costs[name].append(cost)
    return costs


def make_large() -> None:
    """Makes `LARGE`, once."""
    if not LARGE.exists():
        LARGE.parent.mkdir(parents=True, exist_ok=True)
        part = LARGE.with_suffix(".part")
        subprocess.run([PROJECT, "-c", MAKE_LARGE, part], check=True, capture_output=True)
        part.rename(LARGE)


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="rounds to take the median of")
    runs = parser.parse_args().runs
    make_large()
    commands: dict[str, list[str | Path]] = {
        "Python alone": [PROJECT, "-c", NOTHING],
        "Python alone, tflite-runtime's": [TFLITE_RUNTIME, "-c", NOTHING],
    }
    for model in (SMALL, LARGE):
        for backend in ("litert-c", "litert", "tflite-runtime"):
            python = TFLITE_RUNTIME if backend == "tflite-runtime" else PROJECT
            commands[f"{model.stem} {backend}"] = [python, "-c", ANSWER, backend, model]
    print(f"{'':36}{'ms':>6}{'(least-most)':>16}{'CPU ms':>8}{'MiB':>6}   median of {runs}")
    for name, costs in compare(commands, runs).items():
        wall_ms = [cost.wall_s * 1e3 for cost in costs]
        cpu_ms = statistics.median(cost.cpu_s for cost in costs) * 1e3
        mib = statistics.median(cost.resident_mib for cost in costs)
        span = f"({min(wall_ms):.0f}-{max(wall_ms):.0f})"
        print(f"{name:36}{statistics.median(wall_ms):6.0f}{span:>16}{cpu_ms:8.0f}{mib:6.0f}")


if __name__ == "__main__":
    main()
