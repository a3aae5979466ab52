"""Builds dependency layers through `layers/build.py`, and only when their inputs changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

from liteship.errors import PackagingError
from liteship.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def build_layers(
    root: Path, names: Iterable[str], *, python: str, architecture: str
) -> dict[str, Path]:
    """Builds layers into `build/layers/PYTHON-ARCHITECTURE/LAYER/python`.

    Args:
        root: The project's folder, which holds `layers/`.
        names: Folders of `layers/`.
        python: The target's version, such as `3.13`.
        architecture: Lambda's name of it.

    Returns:
        Each layer's folder to put on `PYTHONPATH`, by name.

    Raises:
        PackagingError: `layer-missing`, `layer-failed`.
    """
    return {name: _build(root, name, python, architecture) for name in names}


def _build(root: Path, name: str, python: str, architecture: str) -> Path:
    source, script = root / "layers" / name, root / "layers" / "build.py"
    modules = [script, script.with_name("slimming.py")]
    inputs = [*modules, source / "requirements.txt", source / "layer.toml"]
    missing = [str(path) for path in inputs if not path.is_file()]
    if missing:
        raise PackagingError(
            "layer-missing",
            f"the layer {name} cannot be built: there is no {', no '.join(missing)}",
            hint="restore the folder layers/ from version control",
        )
    output = root / "build" / "layers" / f"{python}-{architecture}" / name
    stamp, digest = output / "inputs.sha256", _digest(inputs)
    if (output / "python").is_dir() and stamp.is_file() and stamp.read_text() == digest:
        return output / "python"
    stamp.unlink(missing_ok=True)
    command = [sys.executable, str(script), name, "--output", str(output)]
    command += ["--python", python, "--architecture", architecture]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagingError(
            "layer-failed",
            f"the layer {name} could not be built",
            problems=(done.stderr.strip() or done.stdout.strip()).splitlines(),
            hint="read pip's message above; without a network, pip needs PIP_FIND_LINKS",
        )
    replace_file(stamp, digest.encode())
    return output / "python"


def _digest(inputs: list[Path]) -> str:
    """Of the inputs and of the interpreter, which decides whether there is byte code."""
    state = hashlib.sha256(sys.version.encode())
    for path in inputs:
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()
