"""Environments that integration tests share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser import CHROMIUM, Browser
from tests.conftest import free_port

from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TFLITE_RUNTIME_HOME = ROOT / ".tools" / "tflite-runtime"


@pytest.fixture(scope="session")
def tflite_runtime_python() -> Path:
    """Python 3.11 with tflite-runtime 2.14 and NumPy 1.26, which the project's own cannot hold."""
    python = TFLITE_RUNTIME_HOME / "bin" / "python"
    locked = ROOT / "requirements" / "tflite-runtime.txt"
    uv = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run([*uv, "venv", "-q", "-p", "3.11", TFLITE_RUNTIME_HOME], check=True)
    # Quick when all is there, and completes an installation that was interrupted
    install: list[str | Path] = [
        *uv,
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--require-hashes",
        "-r",
        locked,
    ]
    subprocess.run(install, check=True)
    return python


@pytest.fixture(scope="session")
def chromium() -> str:
    """Its path."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    return CHROMIUM


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def emulator() -> Iterator[LambdaEmulator]:
    """The packaged digits function under AWS's emulator."""
    function = load_function("digits", ROOT)
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        yield emulator


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m liteship.runtime` in a folder; what it writes comes through a pipe."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path, **environ: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "liteship.runtime"],
                cwd=folder,
                env=os.environ | {"PORT": str(free_port())} | environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start
