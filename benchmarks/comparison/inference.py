"""One inference alone, in a process of its own: what no server can be cheaper than.

python -m benchmarks.comparison.inference MODEL.tflite INVOCATIONS
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from liteship.runtime.interpreter import create_interpreter


def inference_ms(model: Path, invocations: int) -> float:
    """CPU milliseconds of one inference, the mean of many in a fresh process."""
    command = (sys.executable, "-m", "benchmarks.comparison.inference", model, str(invocations))
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return float(result.stdout)


def pixels_ms() -> dict[str, list[float]]:
    """What `benchmarks.codecs.measure_pixels` gives: milliseconds by table, and in floats."""
    program = "import json, benchmarks.codecs as codecs; print(json.dumps(codecs.measure_pixels()))"
    result = subprocess.run((sys.executable, "-c", program), check=True, stdout=subprocess.PIPE)
    found: dict[str, list[float]] = json.loads(result.stdout)
    return found


def _measure(model: Path, invocations: int) -> float:
    interpreter = create_interpreter(model.read_bytes())
    inputs = {name: bytes(spec.size_bytes) for name, spec in interpreter.inputs.items()}
    for _ in range(invocations // 10 + 1):
        interpreter.invoke(inputs)
    start_s = time.process_time()
    for _ in range(invocations):
        interpreter.invoke(inputs)
    return (time.process_time() - start_s) / invocations * 1e3


if __name__ == "__main__":
    print(_measure(Path(sys.argv[1]), int(sys.argv[2])))
