"""The image under test, and the tools that these tests start."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.http_cases import ENVIRON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
BASE_IMAGE = "liteship-base:trixie"
IMAGE = "liteship-e2e/digits:v1"
TOOLS = ROOT / ".tools" / "sam"

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""What Knative's strictest security context and Lambda's read-only root come down to."""

LIMITS = tuple(f"--env={name}={value}" for name, value in ENVIRON.items())


def run(*command: str | Path, stdin: str = "") -> str:
    """Runs a command; gives its standard output, or fails the test with everything it wrote."""
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@pytest.fixture(scope="session")
def run_command() -> Callable[..., str]:
    """See `run`."""
    return run


@pytest.fixture(scope="session")
def base_image() -> str:
    """A local image with Python 3.13; made when it is not there."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no Docker engine")
    run(Path(__file__).with_name("base_image.sh"), BASE_IMAGE)
    return BASE_IMAGE


@pytest.fixture(scope="session")
def packaged(base_image: str) -> dict[str, Any]:
    """What `liteship package` says of the digits function's image, built from nothing."""
    command = (sys.executable, "-m", "liteship", "package", "digits", "--as=image", "--json")
    options = (f"--base-image={base_image}", f"--tag={IMAGE}", "--no-cache")
    fields: dict[str, Any] = json.loads(run(*command, *options))
    return fields


@pytest.fixture(scope="session")
def image(packaged: dict[str, Any]) -> str:
    """The digits function's image."""
    return str(packaged["reference"])


@pytest.fixture(scope="session")
def run_sam() -> Callable[..., str]:
    """Runs SAM's command, which sees no credentials and tells nobody."""
    path = TOOLS / "bin" / "sam"
    assert path.is_file(), f"there is no {path}: run make"
    variables = (
        "SAM_CLI_TELEMETRY=0",
        "AWS_DEFAULT_REGION=eu-central-1",
        "AWS_EC2_METADATA_DISABLED=true",
    )
    return lambda *arguments: run("env", *variables, path, *arguments)


@pytest.fixture(scope="session")
def emulator() -> Path:
    """AWS' runtime interface emulator, which SAM's package carries."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    pattern = f"lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
    found = [*TOOLS.glob(pattern)]
    assert len(found) == 1, f"expected one {TOOLS / pattern}: run make"
    return found[0]


@dataclass(frozen=True)
class Container:
    """A running container that listens on port 8080 inside.

    Attributes:
        name: Its name.
        url: Its port 8080, from outside.
    """

    name: str
    url: str

    def log(self) -> str:
        return subprocess.run(
            ["docker", "logs", self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout

    def inspect(self) -> dict[str, Any]:
        (state,) = json.loads(run("docker", "inspect", self.name))
        return dict(state)

    def wait_until_listening(self, patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self.inspect()["State"]["Running"]:
            # the engine's proxy accepts before the container listens, and then breaks off
            with contextlib.suppress(httpx.TransportError):
                httpx.get(self.url)
                return
            time.sleep(0.1)
        pytest.fail(f"nothing listens in {self.name}: {self.log()}")


@pytest.fixture(scope="session")
def start_container() -> Iterator[Callable[..., Container]]:
    """Starts containers, and removes them in the end."""
    with contextlib.ExitStack() as stack:

        def start(image: str, *options: str, command: tuple[str, ...] = ()) -> Container:
            name = f"liteship-e2e-{uuid.uuid4().hex[:12]}"
            stack.callback(
                subprocess.run, ["docker", "rm", "--force", name], capture_output=True, check=False
            )
            run(
                *("docker", "run", "--detach", f"--name={name}", "--publish=127.0.0.1::8080"),
                *(*HARDENED, *options, image, *command),
            )
            port = run("docker", "port", name, "8080").split(":")[-1].strip()
            container = Container(name, f"http://127.0.0.1:{port}")
            container.wait_until_listening()
            return container

        yield start


@pytest.fixture(scope="session")
def server(image: str, start_container: Callable[..., Container]) -> Container:
    """As Knative runs it: the image's own command, nothing writable."""
    return start_container(image, *LIMITS)


@pytest.fixture(scope="session")
def emulated(image: str, emulator: Path, start_container: Callable[..., Container]) -> Container:
    """As Lambda runs it: AWS_LAMBDA_RUNTIME_API is set, and /tmp alone is writable."""
    return start_container(
        image,
        *LIMITS,
        f"--volume={emulator}:/usr/local/bin/aws-lambda-rie:ro",
        "--tmpfs=/tmp",
        "--entrypoint=aws-lambda-rie",
        command=("python3", "-m", "liteship.runtime", "app.handler"),
    )
