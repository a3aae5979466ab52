"""AWS's own tool `sam`: builds what template.yaml names, uploads it, has CloudFormation deploy it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from liteship.deploy.sam.translate import read_template
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Listener = Callable[[str], None]
    """Told each line that is worth a person's look."""

BUILD = ".aws-sam/build"
"""Where `sam build` leaves what it built, and the template that names it."""

LOG = "build/deploy.log"
"""Where all that `sam` says is kept, of the last deployment."""

MAX_WAIT_MIN = 24 * 60
"""`sam deploy` gives up waiting after 60 minutes by default; a linear rollout takes 100."""

SAID = 15
"""How many of the last lines an error shows."""

# A row of the table of events that `sam deploy` prints
_EVENT = re.compile(r"^([A-Z]+(?:_[A-Z]+)+)\s+AWS::\S+\s+(\S+)")
_BUILDING = re.compile(r"^(Building|Uploading|Waiting)\b")
_NOISE = re.compile(r"^(-+|={3,}|\s*|.*\d+(\.\d+)?%\)?)$")


def find_sam(root: Path) -> Path:
    """The program: on the PATH, or in the project's `.tools/sam`.

    Raises:
        DeploymentError: `sam-missing`.
    """
    on_path = shutil.which("sam")
    own = root / ".tools" / "sam" / "bin" / "sam"
    if on_path is not None:
        return Path(on_path)
    if own.is_file():
        return own
    raise DeploymentError(
        "sam-missing",
        "AWS's tool sam is not installed",
        expected=f"sam on the PATH, or {own}",
        hint="make .tools/sam, or: uv tool install aws-sam-cli",
    )


def build(root: Path, parameters: Mapping[str, str], said: Listener) -> None:
    """Runs `sam build` for everything in template.yaml.

    Raises:
        DeploymentError: `sam-missing`, `sam-build-failed`.
    """
    arguments = ["build", "--parameter-overrides", *_overrides(parameters)]
    last = _run(root, arguments, None, said)
    if last is not None:
        raise DeploymentError(
            "sam-build-failed",
            "sam build failed; nothing was deployed",
            problems=last,
            hint=f"correct what it says above; all of it stands in {LOG}",
        )


def deploy(
    root: Path, stack: str, region: str, parameters: Mapping[str, str], said: Listener
) -> list[str]:
    """Runs `sam deploy` on what `build` left.

    Returns:
        Nothing where it succeeded, else the last lines it said.

    Raises:
        DeploymentError: `sam-missing`.
    """
    arguments = [
        *("deploy", "--template-file", f"{BUILD}/template.yaml", "--stack-name", stack),
        *_settings(root),
        *("--region", region, "--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--no-progressbar", "--max-wait-duration", str(MAX_WAIT_MIN)),
        *("--parameter-overrides", *_overrides(parameters)),
    ]
    return _run(root, arguments, region, said) or []


def _settings(root: Path) -> list[str]:
    """Where it uploads to, and what CloudFormation may create: samconfig.toml's business."""
    path = root / "samconfig.toml"
    if path.is_file():  # it would look for it beside the built template
        return ["--config-file", str(path)]
    return ["--resolve-s3", "--resolve-image-repos", "--capabilities", "CAPABILITY_IAM"]


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    return [f"ParameterKey={name},ParameterValue={value}" for name, value in parameters.items()]


def _run(root: Path, arguments: Sequence[str], region: str | None, said: Listener) -> list[str] | None:
    """Runs it to its end, and keeps what it says in `LOG`; None, or its last lines where it failed."""
    command = [str(find_sam(root)), *arguments]
    # Wide enough for a row of its tables; it asks nothing, as there is nobody at its standard input
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "COLUMNS": "250"}
    if region is not None:
        environment["AWS_DEFAULT_REGION"] = region
    lines: list[str] = []
    path = root / LOG
    path.parent.mkdir(exist_ok=True)
    with (
        path.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        log.write(f"$ {' '.join(command)}\n")
        try:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                lines.append(line.rstrip())
                if (short := quiet_form(lines[-1])) is not None:
                    said(short)
        except BaseException:
            process.terminate()  # what CloudFormation has begun goes on without it
            raise
    return _last_words(lines) if process.returncode != 0 else None


def quiet_form(line: str) -> str | None:
    """What of a line a person should see: an event's status and resource, or a step of a build."""
    if event := _EVENT.match(line):
        return f"{event[1]} {event[2]}"
    return line if _BUILDING.match(line) else None


def _last_words(lines: Sequence[str]) -> list[str]:
    """The last lines that say something, from the first that speaks of an error where one does."""
    telling = [line for line in lines if not _NOISE.match(line)][-3 * SAID :]
    start = next(
        (number for number, line in enumerate(telling) if re.search(r"\berror\b", line, re.IGNORECASE)),
        0,
    )
    return telling[start:][-SAID:] or ["it said nothing"]


def image_tags(root: Path) -> dict[str, str]:
    """The local tag of every image that `sam build` made, by its function's logical id.

    Raises:
        ConfigurationError: See `read_template`.
    """
    built = read_template(root / BUILD / "template.yaml")["Resources"]
    return {
        name: resource["Properties"]["ImageUri"]
        for name, resource in built.items()
        if resource.get("Properties", {}).get("PackageType") == "Image"
    }


def image_code(images: Mapping[str, str], deployed: Mapping[str, str]) -> dict[str, str]:
    """Where images will lie: where the deployed ones do, if they are the same.

    `sam` puts twelve digits of an image's id into its tag, so that the same image is deployed once
    (https://github.com/aws/aws-sam-cli/blob/develop/samcli/lib/package/image_utils.py).

    Args:
        images: Image id by the function's logical id.
        deployed: Where the deployed code lies.

    Returns:
        By logical id; only of what is deployed.
    """
    return {
        name: _moved(deployed[name], image.removeprefix("sha256:")[:12])
        for name, image in images.items()
        if name in deployed
    }


def zip_code(root: Path, deployed: Mapping[str, str]) -> dict[str, str]:
    """Where the zip files that `build` left will lie; `sam` names them after their contents' MD5.

    Raises:
        ConfigurationError: See `read_template`.
    """
    built = read_template(root / BUILD / "template.yaml")["Resources"]
    found = {}
    for name, location in deployed.items():
        properties = built.get(name, {}).get("Properties", {})
        folder = properties.get("CodeUri", properties.get("ContentUri"))
        if isinstance(folder, str):
            found[name] = _moved(location, _checksum(root / BUILD / folder))
    return found


def _moved(location: str, mark: str) -> str:
    return location if mark in location else f"{location.rpartition('/')[0]}/{mark}"


def _checksum(folder: Path) -> str:
    """MD5 over the names and the MD5s of a folder's files, as `sam` calculates it.

    https://github.com/aws/aws-sam-cli/blob/develop/samcli/lib/utils/hash.py
    """
    state = hashlib.md5(usedforsecurity=False)
    paths = [
        os.path.join(path, name)
        for path, _, names in os.walk(folder, followlinks=True)
        for name in names
    ]
    for path in sorted(paths):
        state.update(os.path.relpath(path, folder).encode())
        content = Path(path).read_bytes()
        state.update(hashlib.md5(content, usedforsecurity=False).hexdigest().encode())
    return state.hexdigest()
