"""Tries an arm64 machine that does not describe its processors, before LiteRT meets it.

LiteRT counts processors with the library cpuinfo, which reads /sys/devices/system/cpu. On Lambda's
Graviton that folder is missing, and libraries with cpuinfo in them have ended the whole process there
(https://github.com/pytorch/cpuinfo/issues/143, https://github.com/microsoft/onnxruntime/issues/10038):
so a child process goes first.

    python -m liteship.runtime.cpu MODEL_FOLDER BACKEND
"""

from __future__ import annotations

import os
import sys

from liteship.errors import LiteshipError, NotReadyError

POSSIBLE = "/sys/devices/system/cpu/possible"
"""https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu"""


def require_cpu_info(model: str, backend: str, *, possible: str = POSSIBLE) -> None:
    """Runs the model's self-test in a child process where the kernel does not list its processors.

    Args:
        model: The artifact's folder.
        backend: One of `interpreter.BACKENDS`.
        possible: The file that lists them.

    Raises:
        NotReadyError: `cpu-info-missing` if the child died or failed.
    """
    if os.path.exists(possible):
        return
    import subprocess

    child = subprocess.run(
        [sys.executable, "-m", "liteship.runtime.cpu", model, backend],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if child.returncode != 0:
        end = f"signal {-child.returncode}" if child.returncode < 0 else f"exit {child.returncode}"
        said = " ".join(child.stderr.split()[-40:])
        raise NotReadyError(
            "cpu-info-missing",
            f"LiteRT does not run on this machine: there is no {possible}",
            expected="the model answers its golden input in a process of its own",
            received=f"{end}: {said or 'no message'}",
            hint='set runtime.architecture = "x86_64" in function.toml, then package and deploy again',
        )


def main(arguments: list[str]) -> int:
    """Loads the model and runs its self-test; returns the exit code."""
    from liteship.runtime.predictor import Predictor

    model, backend = arguments
    try:
        Predictor.load(model, backend=backend)
    except LiteshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
