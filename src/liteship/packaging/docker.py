"""The Docker engine through its command, each refusal as an error with a next step."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from liteship.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


Written = TypeVar("Written")

MACHINES = {"x86_64": "amd64", "arm64": "arm64"}
"""Lambda's names of the architectures, and Docker's."""

_NOISE = re.compile(
    r"Step \d+/\d+ : | ?---> |Removing intermediate container |Sending build context |Successfully "
    r"|The command '.*' returned a non-zero code|ERROR: failed to solve: process "
    r"|DEPRECATED: The legacy builder|\s+Install the buildx component|\s+https://docs\.docker\.com/go/"
)
"""What builders say about themselves."""

_LAST_LINES = 15


def require_engine() -> str:
    """The platform that the engine builds and runs on, such as `linux/amd64`.

    Raises:
        PackagingError: `docker-missing`, `docker-unreachable`.
    """
    done = _docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
    if done.returncode != 0:
        denied = "permission denied" in done.stderr
        raise PackagingError(
            "docker-unreachable",
            "the Docker engine does not answer",
            received=_last_line(done.stderr),
            hint="let your user in: sudo usermod -aG docker $USER, then log in again"
            if denied
            else "start it (sudo systemctl start docker, or Docker Desktop), or correct DOCKER_HOST",
        )
    return done.stdout.strip()


def inspect_image(reference: str) -> dict[str, Any] | None:
    """What the engine knows about a local image; None if it has none of that name."""
    done = _docker("image", "inspect", reference)
    if done.returncode != 0:
        return None
    (image,) = json.loads(done.stdout)
    return dict(image)


def require_image(reference: str, platform: str, option: str) -> None:
    """Pulls an image where the engine does not have it for that platform.

    Args:
        reference: The image's.
        platform: Such as `linux/arm64`.
        option: What chooses another image, for the error's next step.

    Raises:
        PackagingError: `base-image-missing`.
    """
    image = inspect_image(reference)
    machine = platform.rpartition("/")[2]
    if image is not None and image["Architecture"] == machine:
        return
    done = _docker("pull", "--quiet", "--platform", platform, reference)
    if done.returncode != 0:
        local = f"the one here is for {image['Architecture']}; " if image is not None else ""
        raise PackagingError(
            "base-image-missing",
            f"there is no image {reference} for {platform}, neither here nor to pull",
            received=f"{local}{_last_line(done.stderr)}",
            hint=f"check the name and the network, or choose an image that is here: {option}",
        )


def build_image(
    root: Path, reference: str, arguments: Mapping[str, str], platform: str, *, no_cache: bool
) -> None:
    """Builds functions/Dockerfile.

    Args:
        root: The project's folder.
        reference: The tag that the image gets.
        arguments: Build arguments by name.
        platform: The image's, such as `linux/arm64`.
        no_cache: Build every step again.

    Raises:
        PackagingError: `image-build-failed`, with the last lines of what the build said.
    """
    known = _docker("build", "--help").stdout
    options = ["--force-rm"]
    if "--provenance" in known:
        # BuildKit. Lambda refuses images with attestations
        # (https://docs.aws.amazon.com/lambda/latest/dg/python-image.html).
        options = ["--load", "--provenance=false", "--sbom=false", f"--platform={platform}"]
    # The classic builder holds --platform against every stage that files are copied into, whatever that
    # stage's FROM says: there, the platform comes from the last FROM alone.
    options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options += ["--no-cache"] if no_cache else []
    done = _docker(
        *("build", "--file", str(root / "functions" / "Dockerfile"), "--tag", reference),
        *(*options, str(root)),
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise PackagingError(
            "image-build-failed",
            "the image could not be built",
            problems=explain_build(done.stdout),
            hint=_hint(done.stdout, "correct what the lines above say, then package again"),
        )


def explain_build(output: str) -> list[str]:
    """The lines that say why a build failed: the failed step's own, without the builder's."""
    output = re.sub(r"\x1b\[\d*m", "", output)
    failed = re.search(r"^#(\d+) ERROR: (.*)$", output, re.MULTILINE)  # BuildKit's
    if failed is not None:
        said = re.findall(rf"^#{failed[1]} \d+\.\d+ (.*\S)", output, re.MULTILINE)
        return (said or [failed[2]])[-_LAST_LINES:]
    last_step = re.split(r"^Step \d+/\d+ : .*$", output, flags=re.MULTILINE)[-1]
    lines = [line.rstrip() for line in last_step.splitlines() if line.strip()]
    return ([line for line in lines if not _NOISE.match(line)] or lines)[-_LAST_LINES:]


def save_image(reference: str, path: Path) -> None:
    """Writes an image's archive.

    Raises:
        PackagingError: `image-unwritable`.
    """
    done = _docker("save", "--output", str(path), reference)
    if done.returncode != 0:
        raise PackagingError(
            "image-unwritable",
            f"the image could not be saved to {path.parent}",
            received=_last_line(done.stderr),
            hint=_hint(done.stderr, "check the folder's permissions and the free disk space"),
        )


def load_image(write: Callable[[IO[bytes]], Written]) -> Written:
    """Lets the engine read an archive while it is written; gives what `write` gives.

    Raises:
        PackagingError: `image-refused`; and what `write` raises.
    """
    with subprocess.Popen(
        ["docker", "load", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        stdin, stderr = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stderr)
        try:
            written = write(stdin)
            stdin.close()
        except BrokenPipeError:
            written = None  # the engine's own words follow
        except BaseException:
            process.kill()  # an archive without its end: nothing is loaded
            with contextlib.suppress(OSError):
                stdin.close()
            raise
        said = stderr.read()
    if process.returncode != 0 or written is None:
        text = said.decode(errors="replace")
        raise PackagingError(
            "image-refused",
            "the Docker engine did not take the rewritten image",
            received=_last_line(text),
            hint=_hint(text, "check the engine's free disk space and its log, then package again"),
        )
    return written


def remove_tag(reference: str) -> None:
    """Takes a tag away, and with it the image unless something else holds it.

    What the image was built from stays, untagged: it is the classic builder's cache.
    """
    _docker("image", "rm", "--no-prune", reference)


def _docker(*arguments: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Runs the command.

    Raises:
        PackagingError: `docker-missing`.
    """
    command = ["docker", *arguments]
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise PackagingError(
            "docker-missing",
            f"the docker command cannot be run: {error}",
            hint="install Docker (https://docs.docker.com/engine/install/), or ship a zip: --as zip",
        ) from error


def _hint(output: str, otherwise: str) -> str:
    full = "no space left on device" in output.lower()
    return "the disk is full: make room, for example with docker system prune" if full else otherwise


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message").strip()
