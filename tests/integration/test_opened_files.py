"""Files that a start opens up to its first answer, and none later: counted by strace."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from tests.conftest import free_port

from liteship.artifact import Artifact
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

ROOT = Path(__file__).parents[2]

# Files and bytes read, by what starts and what it is asked; decision 16 says what the floors are.
# Libraries are mapped into memory, not read, but for their heads.
BOUNDS = {
    ("lambda", "tensor"): (125, 150, 2_000_000),
    ("lambda", "picture"): (150, 180, 3_000_000),
    ("server", "tensor"): (250, 270, 4_500_000),
    ("server", "picture"): (275, 300, 5_500_000),
}

OPENED = re.compile(r"openat\(.*?, (?P<flags>O_[A-Z_|]+).*\) = \d+<(?P<path>/.*)>$")
READ = re.compile(r"(?:read|pread64)\(\d+<(?P<path>/.*?)>, .* = (?P<size>\d+)$")
"""Lines of `strace -y`, which gives descriptors their paths."""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Counted(NamedTuple):
    """What a process did so far, by all its threads; `opened` has what is opened twice, twice."""

    opened: list[str]
    read_bytes: int

    @property
    def files(self) -> set[str]:
        """Of the disk, each once."""
        return {path for path in self.opened if not path.startswith(("/proc/", "/sys/"))}

    def since(self, before: Counted) -> Counted:
        return Counted(self.opened[len(before.opened) :], self.read_bytes - before.read_bytes)


class Trace:
    """An interpreter that strace watches."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "strace.log"
        self.python = folder / "python"
        options = "--quiet=all --follow-forks --decode-fds=path --trace=openat,read,pread64"
        strace = f"strace {options} --string-limit=0 --output={self._log}"
        self.python.write_text(f'#!/bin/sh\nexec {strace} {sys.executable} "$@"\n')
        self.python.chmod(0o755)

    def count(self) -> Counted:
        """Folders that the import system lists are no files, nor are devices and pipes."""
        opened, read_bytes = [], 0
        for line in self._log.read_text().splitlines():
            if (match := OPENED.search(line)) and "O_DIRECTORY" not in match["flags"]:
                opened.append(match["path"])
            elif (match := READ.search(line)) and not match["path"].startswith("/dev/"):
                read_bytes += int(match["size"])
        return Counted(opened, read_bytes)


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path)


@pytest.fixture(scope="module")
def function() -> FunctionFolder:
    return load_function("digits", ROOT)


@pytest.fixture(scope="module")
def package(function: FunctionFolder) -> Package:
    return package_for_here(function)


@pytest.fixture
def body(request: pytest.FixtureRequest, artifact_folder: Path, digit_png: bytes) -> tuple[bytes, str]:
    """A request's body and its content type."""
    if request.param == "picture":
        return digit_png, "image/png"
    (golden,) = Artifact.load(artifact_folder).golden_inputs
    return golden, "application/octet-stream"


@pytest.mark.parametrize("body", ["tensor", "picture"], indirect=True)
def test_on_lambda(
    body: tuple[bytes, str],
    trace: Trace,
    function: FunctionFolder,
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", str(trace.python))
    event = http_event("POST", "/predict", *body)
    with LambdaEmulator(function, package) as emulator:
        check(trace, lambda: int(emulator.invoke(event)["statusCode"]), "lambda", body)


@pytest.fixture
def server_url(trace: Trace, package: Package) -> Iterator[str]:
    """The HTTP server of what was packed and nothing else."""
    port = free_port()
    with subprocess.Popen(
        [trace.python, "-S", "-m", "liteship.runtime", "app.handler"],
        cwd=package.python_path[0],
        env={
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "PYTHONPATH": os.pathsep.join(map(str, package.python_path)),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        yield f"http://127.0.0.1:{port}/predict"
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("body", ["tensor", "picture"], indirect=True)
def test_of_the_server(body: tuple[bytes, str], trace: Trace, server_url: str) -> None:
    content, content_type = body

    def predict() -> int:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with contextlib.suppress(httpx.ConnectError):
                headers = {"content-type": content_type}
                return httpx.post(server_url, content=content, headers=headers).status_code
            time.sleep(0.1)
        pytest.fail("the server does not listen")

    check(trace, predict, "server", body)


def check(trace: Trace, predict: Callable[[], int], where: str, body: tuple[bytes, str]) -> None:
    """The first prediction within the bounds, the second without a single file."""
    asked = "picture" if body[1].startswith("image/") else "tensor"
    most_files, most_opened, most_bytes = BOUNDS[where, asked]
    assert predict() == 200
    first = trace.count()
    assert any(path.endswith("libLiteRt.so") for path in first.opened)
    assert len(first.files) <= most_files, "\n".join(sorted(first.files))
    assert len(first.opened) <= most_opened, "\n".join(first.opened)
    assert 0 < first.read_bytes <= most_bytes
    assert predict() == 200
    assert trace.count().since(first) == Counted([], 0)
