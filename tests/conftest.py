"""What several test files share: the digits function, real digits as pictures, a Lambda context."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from liteship import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "functions" / "digits"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the files in tests/golden")


def pytest_configure() -> None:
    """Whatever is started here can be interrupted, also where a script started us in its background.

    A shell then ignores SIGINT for us, and everything that we start would inherit that
    (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_11).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything is installed (CI), a skipped test hides a missing part: it fails the run.

    But for a cluster, which is nothing that can be installed: `pytest -m cluster` names its own.
    """
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [each for each in reporter.stats.get("skipped", []) if "cluster" not in each.keywords]
    if skipped and exitstatus == 0 and os.environ.get("LITESHIP_SKIP_FAILS"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{len(skipped)} tests were skipped, and none may be here", red=True)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def artifact_folder() -> Path:
    """The committed artifact; never written to."""
    return DIGITS / "model"


@pytest.fixture(scope="session")
def digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Real digits: uint8 pictures of shape (1797, 8, 8), values 0-255, and their classes."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target


@pytest.fixture(scope="session")
def digit_picture(digit_images: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> Image.Image:
    """A seven."""
    images, labels = digit_images
    return Image.fromarray(images[labels == 7][0])


@pytest.fixture(scope="session")
def digit_png(digit_picture: Image.Image) -> bytes:
    """The same seven as a PNG file."""
    buffer = io.BytesIO()
    digit_picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def function_folder(tmp_path: Path) -> Path:
    """A copy of the digits function that a test may damage."""
    return copy_function(tmp_path / "digits")


@pytest.fixture
def repository_folder(tmp_path: Path) -> Path:
    """A function with digits 1 and 2, its own, and wine 1; a test may damage it."""
    return copy_repository(tmp_path / "functions" / "digits")


@pytest.fixture
def make_function(function_folder: Path) -> Callable[..., Function]:
    """Loads the copy as `app.py` does, with the environment given by keyword."""

    def make(**environ: str) -> Function:
        return Function(str(function_folder / "app.py"), environ=environ)

    return make


@pytest.fixture
def run_python(function_folder: Path) -> Callable[..., str]:
    """Runs a script in a fresh interpreter beside `app.py`; gives what it printed."""

    def run(script: str, *arguments: str, **environ: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=function_folder,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@dataclass(frozen=True)
class LambdaContext:
    """The part of Lambda's context that handlers and Powertools read."""

    aws_request_id: str
    function_name: str = "digits"
    memory_limit_in_mb: str = "512"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:digits"


@pytest.fixture(scope="session")
def lambda_context() -> Callable[[], LambdaContext]:
    """A new invocation's context at every call."""
    numbers = itertools.count(1)
    return lambda: LambdaContext(f"00000000-0000-4000-8000-{next(numbers):012}")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The thread's event loop: Mangum takes the one that is set, or makes one and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


@dataclass(frozen=True)
class Server:
    """A running `python -m liteship.runtime`."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    log: Path

    def log_lines(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]  # LiteRT writes too


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts the HTTP server of a function's folder in a process of its own, and ends it."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path | None = None, **environ: str) -> Server:
            home = tmp_path_factory.mktemp("server")
            folder = folder or copy_function(home / "digits")
            log = home / "log.jsonl"
            port = free_port()
            output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "liteship.runtime", "app.handler"],
                cwd=folder,
                env=os.environ | environ | {"PORT": str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            stack.callback(_end, process)
            server = Server(process, folder, f"http://127.0.0.1:{port}", log)
            _wait_until_alive(server)
            return server

        yield start


@pytest.fixture(scope="session")
def closed_port() -> int:
    """A port that nobody listens on."""
    return free_port()


def copy_function(target: Path) -> Path:
    target.mkdir(parents=True)
    shutil.copy(DIGITS / "app.py", target)
    shutil.copytree(DIGITS / "model", target / "model")
    return target


def copy_repository(target: Path) -> Path:
    """Each with other labels or another input than the rest, so that answers tell them apart."""
    target.mkdir(parents=True)
    shutil.copy(DIGITS / "app.py", target)
    text = (DIGITS / "function.toml").read_text().replace('version = "1"', 'version = "2"')
    labels = '[models.labels.digits]\nstable = "1"\ncanary = "2"\n'
    (target / "function.toml").write_text(f"{text}\n[models]\n{labels}")
    copy_version(DIGITS / "model", target / "model" / "digits" / "1")
    copy_version(DIGITS / "model", target / "model" / "digits" / "2", zero="none")
    copy_version(ROOT / "functions" / "wine" / "model", target / "model" / "wine" / "1")
    return target


def copy_version(source: Path, target: Path, *, zero: str = "0") -> None:
    """Copies an artifact, and names it as the folders that it goes to.

    Args:
        source: The artifact.
        target: `NAME/VERSION`.
        zero: What the label "0" becomes, if it has one.
    """
    shutil.copytree(source, target)
    manifest = json.loads((target / "model.json").read_text())
    manifest |= {"name": target.parent.name, "version": target.name}
    postprocessing = manifest["postprocessing"]
    labels = [zero if label == "0" else label for label in postprocessing.get("labels", [])]
    manifest["postprocessing"] = postprocessing | {"labels": labels}
    (target / "model.json").write_text(json.dumps(manifest))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_alive(server: Server, patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{server.url}/health/live")
            return
        time.sleep(0.05)
    pytest.fail(f"the server did not start: {server.log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
