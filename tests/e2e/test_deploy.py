"""`liteship deploy` of an image function, up to where moto cannot follow `sam deploy`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from moto.server import ThreadedMotoServer

from liteship.deploy.rendering import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of what sam's own stack needs and it does not know, moto says so with a warning, in its own thread
pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def account() -> Iterator[dict[str, str]]:
    """The environment that leads to moto's server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    server.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """digits alone, as an image."""
    ignored = shutil.ignore_patterns("trained", "__pycache__", "wine")
    for name in ("functions", "layers", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("samconfig.toml", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "layers").symlink_to(ROOT / "build" / "layers")
    write(tmp_path)
    return tmp_path


def test_the_image_that_was_planned_is_the_one_that_sam_would_upload(
    project: Path, account: dict[str, str], base_image: str, run_command: Callable[..., str]
) -> None:
    command = [sys.executable, "-m", "liteship", "deploy", "digits", "--to", "lambda", "--yes"]
    done = subprocess.run(
        [*command, "--base-image", base_image, "--json"],
        cwd=project,
        env=os.environ | account | {"HOME": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 11, done.stdout + done.stderr
    refused = json.loads(done.stdout)
    assert refused["reference"] == "sam-deploy-failed"
    assert "aws-sam-cli-managed-default" in "".join(refused["problems"])
    assert "Build Succeeded" in (project / "build" / "deploy.log").read_text()
    ids = {
        run_command("docker", "image", "inspect", "--format={{.Id}}", tag).strip()
        for tag in ("liteship/digits:v1", "digitsfunction:v1")
    }
    assert len(ids) == 1
