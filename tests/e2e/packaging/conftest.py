"""A copy of the project that a test may change, and what packaging may not leave behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
REPOSITORY = "liteship-e2e/packaged"


@pytest.fixture
def function(tmp_path: Path) -> FunctionFolder:
    """The digits function in a copy of the project, so far as an image is made of it."""
    leave_out = shutil.ignore_patterns("trained", "__pycache__", "build")
    for folder in ("functions", "layers", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave_out)
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    return load_function("digits", tmp_path)


@pytest.fixture
def configure(function: FunctionFolder) -> Callable[[str, str], FunctionFolder]:
    """Changes the copy's function.toml."""

    def change(old: str, new: str) -> FunctionFolder:
        path = function.folder / "function.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return load_function("digits", function.root)

    return change


@pytest.fixture
def tag(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for this test's image, which is removed in the end."""
    reference = f"{REPOSITORY}:{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    yield reference
    subprocess.run(["docker", "image", "rm", reference], capture_output=True, check=False)


@pytest.fixture
def leftovers(function: FunctionFolder, run_command: Callable[..., str]) -> Callable[[], list[str]]:
    """Lists temporary files of the copy, and unfinished images."""

    def find() -> list[str]:
        files = [path.name for path in (function.root / "build").glob("digits/.*")]
        tags = run_command("docker", "image", "ls", "--format={{.Tag}}", "liteship/digits").split()
        return files + [name for name in tags if "unfinished" in name]

    return find


@pytest.fixture(scope="session")
def arm64_base(run_command: Callable[..., str]) -> Iterator[str]:
    """An image that says it is for arm64 and holds one file: nothing of it is run.

    `docker import --platform` of older engines writes this machine's own architecture instead.
    """
    reference = f"{REPOSITORY}:arm64-base"
    layer, archive = io.BytesIO(), io.BytesIO()

    def add(opened: tarfile.TarFile, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        opened.addfile(entry, io.BytesIO(content))

    with tarfile.open(fileobj=layer, mode="w") as opened:
        add(opened, "etc/os-release", b"ID=arm\n")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "arm64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "a test"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(fileobj=archive, mode="w") as opened:
        add(opened, "layer.tar", layer.getvalue())
        add(opened, "config.json", json.dumps(config).encode())
        add(opened, "manifest.json", json.dumps(manifest).encode())
    subprocess.run(["docker", "load"], input=archive.getvalue(), capture_output=True, check=True)
    yield reference
    subprocess.run(["docker", "image", "rm", reference], capture_output=True, check=False)


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., None]:
    """Waits until something happened while a process runs; fails the test when it ended instead."""

    def wait(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 120
        while not happened():
            assert process.poll() is None, "the process ended"
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def start_registry(
    tmp_path_factory: pytest.TempPathFactory, wait_for: Callable[..., None]
) -> Iterator[Callable[..., str]]:
    """Starts registries that answer by HTTP on an address of this machine; gives host and port."""
    command = shutil.which("docker-registry")
    assert command is not None, "there is no docker-registry: apt-get install docker-registry"
    with contextlib.ExitStack() as stack:

        def start(host: str = "127.0.0.1", **settings: Any) -> str:
            home = tmp_path_factory.mktemp("registry")
            with socket.create_server((host, 0)) as listener:
                address = f"{host}:{listener.getsockname()[1]}"
            content = {
                "version": "0.1",
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": str(home / "data")}},
                "http": {"addr": address},
                **settings,
            }
            (home / "config.yml").write_text(json.dumps(content))  # JSON is YAML
            log = stack.enter_context((home / "log").open("wb"))
            process = subprocess.Popen(
                [command, "serve", str(home / "config.yml")], stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for(lambda: answers(f"http://{address}/v2/"), process)
            return address

        yield start


@pytest.fixture(scope="session")
def registry(start_registry: Callable[..., str]) -> str:
    """A registry on loopback, which engines talk to without TLS."""
    return start_registry()


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code in {200, 401}
    return False
