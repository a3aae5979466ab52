"""Environments of their own, for converters whose pins conflict with everything else's.

onnx2tf 1.29 needs exactly NumPy 1.26 and TensorFlow 2.19. uv installs it once from a hash-locked list
into the user's cache; the conversion's child process then runs on that environment's Python, with
liteship's own source on PYTHONPATH. Standard library only; whoever calls it is the build half.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from liteship.errors import ConfigurationError
from liteship.files import locked_folder

if TYPE_CHECKING:
    from collections.abc import Callable

_PYTHON = "3.11"  # onnxsim 0.4.36, which onnx2tf 1.29.24 pins, has no wheel for a later one
_SIZE = {"onnx": "0.5 GB to download and 1.7 GB on disk"}


def environment_for(extra: Literal["onnx"], say: Callable[[str], None]) -> Path:
    """The Python of the environment that a converter runs in; installed where it is missing.

    Args:
        extra: Which converter.
        say: Told what is about to be installed, and how much it is.

    Returns:
        Path of a Python executable that imports the converter and NumPy, but neither liteship nor what
        that depends on.

    Raises:
        ConfigurationError: `extra-missing` without uv, `environment-install` where uv fails.
    """
    lock = Path(__file__).with_name(f"{extra}.txt")
    announcement = (
        f"Installing the {extra.upper()} converter into an environment of its own: {_SIZE[extra]}, once"
    )
    return install(extra, lock, lambda: say(announcement))


def install(name: str, lock: Path, announce: Callable[[], None]) -> Path:
    """An environment with exactly what a lock lists, whole or not at all; two at once take turns.

    Args:
        name: First part of the environment's folder; the second is the lock's digest.
        lock: Requirements with hashes, wheels only.
        announce: Called before anything is installed.

    Raises:
        ConfigurationError: `extra-missing` or `environment-install`.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    environments = Path(cache) / "liteship" / "environments"
    folder = environments / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if python.exists():
        return python
    uv = _find_uv(name)
    try:
        with locked_folder(environments):
            if not python.exists():  # another process may have installed it meanwhile
                announce()
                _build(uv, lock, folder)
    except OSError as error:
        raise _failure(name, [str(error)]) from error
    return python


def _build(uv: str, lock: Path, folder: Path) -> None:
    """Builds beside its place, then renames; a build that was killed is cleared away first."""
    beside = folder.with_name(f".{folder.name}.new")
    for leftover in (beside, folder):  # the latter lost its Python: it was removed or upgraded
        shutil.rmtree(leftover, ignore_errors=True)
    version = sys.executable if sys.version.startswith(f"{_PYTHON}.") else _PYTHON
    python = str(beside / "bin" / "python")
    try:
        _run(uv, "venv", "--relocatable", "--no-project", "--python", version, str(beside), lock=lock)
        install = ("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--python", python)
        _run(uv, *install, str(lock), lock=lock)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _run(uv: str, *arguments: str, lock: Path) -> None:
    done = subprocess.run(
        [uv, *arguments],
        cwd=lock.parent,  # not the user's project, whose pyproject.toml may hold settings for uv
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise _failure(lock.stem, done.stdout.splitlines()[-8:])


def _failure(name: str, lines: list[str]) -> ConfigurationError:
    return ConfigurationError(
        "environment-install",
        f"the environment for {name} could not be installed; nothing of it was left behind",
        problems=lines,
        hint="look at the lines above; if the network was missing, run the same command again",
    )


def _find_uv(name: str) -> str:
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ConfigurationError(
            "extra-missing",
            f"the converter for {name} is installed by uv, which is not here",
            hint=f"pip install 'liteship[{name}]'",
        )
    return found
