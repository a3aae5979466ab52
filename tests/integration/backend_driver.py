"""Runs models on one back end in a process of its own; standard library only.

    python backend_driver.py BACKEND < REQUEST > ANSWER

The request maps each model's path to a list of runs, a run maps input names to hexadecimal bytes. The
answer maps each path to its `inputs`, `outputs` and `runs`, or to the `error` that refused it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from liteship.errors import LiteshipError
from liteship.runtime.interpreter import create_interpreter


def run(path: str, runs: list[dict[str, str]], backend: str) -> dict[str, object]:
    try:
        interpreter = create_interpreter(Path(path).read_bytes(), backend)
        answers = [
            interpreter.invoke({name: bytes.fromhex(data) for name, data in each.items()})
            for each in runs
        ]
    except LiteshipError as error:
        return {"error": [type(error).__name__, error.reference, error.message]}
    return {
        "inputs": {name: spec.as_dict() for name, spec in interpreter.inputs.items()},
        "outputs": {name: spec.as_dict() for name, spec in interpreter.outputs.items()},
        "runs": [{name: data.hex() for name, data in each.items()} for each in answers],
    }


if __name__ == "__main__":
    request = json.load(sys.stdin)
    json.dump({path: run(path, runs, sys.argv[1]) for path, runs in request.items()}, sys.stdout)
