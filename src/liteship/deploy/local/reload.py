"""Emulates a function and starts it anew when its files change.

A change is tried beside the running function first: what cannot be packaged, does not start or fails
its self-test is reported, and the function that ran before goes on answering.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.errors import DeploymentError, LiteshipError
from liteship.packaging.bundle import run_half
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

POLL_S = 0.5
"""Between two looks at the files. A change counts once two looks agree: tools write several files."""


def run_reloading(
    function: FunctionFolder,
    port: int,
    *,
    on_start: Callable[[str], None],
    on_reload: Callable[[], None],
    on_failure: Callable[[LiteshipError], None],
) -> None:
    """Runs until the emulator ends, on one port throughout.

    Args:
        function: What to run.
        port: Port for invocations; 0 picks a free one.
        on_start: Called once, with the address.
        on_reload: Called when a change has been taken over.
        on_failure: Called with what is wrong with a change.

    Raises:
        DeploymentError: `emulator-missing` or `emulator-failed`.
        PackagingError: The function cannot be packaged to begin with; ArtifactError likewise.
    """
    with contextlib.ExitStack() as running:
        seen = fingerprint(function.folder)
        package = _set_apart(package_for_here(function), running)
        emulator = running.enter_context(LambdaEmulator(function, package, port=port, echo=True))
        port = int(emulator.url.rpartition(":")[2])
        on_start(emulator.url)
        while emulator.is_running():
            time.sleep(POLL_S)
            now = fingerprint(function.folder)
            if now == seen:
                continue
            time.sleep(POLL_S)
            if now != fingerprint(function.folder):  # still being written
                continue
            seen = now
            try:
                changed, package, files = _try_change(function)
            except LiteshipError as error:
                on_failure(error)
                continue
            running.close()
            running.push(files)
            emulator = running.enter_context(LambdaEmulator(changed, package, port=port, echo=True))
            on_reload()


def fingerprint(folder: Path) -> dict[Path, tuple[int, int]]:
    """Time and size of every file that makes a function what it is, liteship's own included.

    Args:
        folder: The function's, such as `functions/digits`.
    """
    return {path: found for path in _watched(folder) if (found := _stamp(path)) is not None}


def require_ready(function: FunctionFolder, package: Package) -> None:
    """Starts a packaged function once, aside, and asks whether it is ready.

    Raises:
        DeploymentError: `invocation-failed` if it does not start, `function-not-ready` with the
            reason, or what the emulator raises.
    """
    with LambdaEmulator(function, package) as emulator:
        answer = emulator.invoke(http_event("GET", "/health/ready", b"", ""))
    if answer.get("statusCode") != 200:
        reason = json.loads(answer["body"])
        raise DeploymentError(
            "function-not-ready",
            f"the function starts, and is not ready: {reason.get('error')}",
            hint=str(reason.get("hint", "see the function's log")),
        )


def _try_change(
    function: FunctionFolder,
) -> tuple[FunctionFolder, Package, contextlib.ExitStack]:
    """The function as it is on disk now, packaged and found ready, and what deletes the package."""
    changed = load_function(function.folder.name, function.root)
    with contextlib.ExitStack() as files:
        package = _set_apart(package_for_here(changed), files)
        require_ready(changed, package)
        return changed, package, files.pop_all()


def _watched(folder: Path) -> Iterator[Path]:
    yield from folder.glob("*.py")
    yield folder / "function.toml"
    yield from (folder / "model").rglob("*")
    yield from run_half()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # deleted since its folder was read
        return None
    return status.st_mtime_ns, status.st_size


def _set_apart(package: Package, files: contextlib.ExitStack) -> Package:
    """The package with a copy of its code: packaging anew would replace it under a running process."""
    code, *layers = package.python_path
    home = files.enter_context(tempfile.TemporaryDirectory(prefix="liteship-emulate-"))
    copy = Path(home) / "bundle"
    shutil.copytree(code, copy)
    return dataclasses.replace(package, python_path=(copy, *layers))
