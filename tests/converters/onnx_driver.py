"""Converts ONNX models and lets the source answer samples, as the conversion's child process does.

Runs in the environment for ONNX, one process for all tests: for each line of its input, the path of
a folder with `request.json` (source, options) and `samples.npz`, it writes `float.tflite`, `source.npz`
and `traces.json` there, or `error.json`, and then a line.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Never

import numpy as np

from liteship.conversion.sources.exported import ExportOptions
from liteship.conversion.sources.onnx_model import export
from liteship.errors import LiteshipError

NETWORK: list[str] = []


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # as in the worker: converters print

    def refuse(_: socket.socket, address: Any) -> Never:
        NETWORK.append(str(address))
        message = "no network in this test"
        raise OSError(message)

    socket.socket.connect = refuse  # type: ignore[assignment,method-assign]
    for line in sys.stdin:
        convert(Path(line.strip()))
        answers.write("done\n")


def convert(folder: Path) -> None:
    """Converts, and notes what was connected to and what was left in the working directory."""
    request = json.loads((folder / "request.json").read_text())
    options = request["options"]
    shapes = options.pop("input_shapes", {})
    options["input_shapes"] = {name: tuple(shape) for name, shape in shapes.items()}
    NETWORK.clear()
    before = {each.name for each in Path.cwd().iterdir()}
    try:
        exported = export(request["source"], "onnx", ExportOptions(**options), lambda *_: None)
    except LiteshipError as error:
        answer = {"family": type(error).__name__, **error.as_dict()}
        (folder / "error.json").write_text(json.dumps(answer))
        return
    written = {each.name for each in Path.cwd().iterdir()} - before
    (folder / "traces.json").write_text(json.dumps({"network": NETWORK, "written": sorted(written)}))
    (folder / "float.tflite").write_bytes(exported.float_model)
    with np.load(folder / "samples.npz") as file:
        samples = {name: file[name] for name in file.files}
    assert exported.run is not None
    outputs: dict[str, Any] = dict(exported.run(samples))
    np.savez(folder / "source.npz", **outputs)


if __name__ == "__main__":
    main()
