"""Runs the conversion's child process and turns its death into an error that names the stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from liteship.convert.worker import failure_from
from liteship.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAGES = {
    "load": "loading the source model",
    "float": "converting to float TFLite",
    "calibrate": "calibrating",
    "compare": "running the source model",
}
"""What a person reads for each stage the worker reports."""


def run_worker(folder: Path, progress: Callable[[str, int, int], None]) -> None:
    """Runs `liteship.convert.worker` on a folder until it has written its results there.

    Args:
        folder: Holds `request.json`; what the worker's libraries print goes to `worker.log`.
        progress: Called with the stage (a key of `STAGES`), steps done and steps in all.

    Raises:
        ConversionError: `conversion-crashed` if the process died; or what the worker reports.
    """
    stage = "load"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
    with (
        (folder / "worker.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "liteship.convert.worker", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                message = json.loads(line)
                if "failure" in message:
                    raise failure_from(message["failure"])  # noqa: TRY301  # after the kill below
                stage = message["stage"]
                progress(stage, message["done"], message["of"])
        except BaseException:
            process.kill()
            raise
        code = process.wait()
    if code != 0:
        raise ConversionError(
            "conversion-crashed",
            f"the converter died while {STAGES[stage]} ({_describe(code)})",
            problems=(folder / "worker.log").read_text(errors="replace").splitlines()[-5:],
            hint="look at the lines above; if memory ran out, convert on a larger machine",
        )


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
    return f"signal {names.get(-code, -code)}"
