"""Clients of other servers, in the environment `.tools/clients`, each run in a process of its own."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".tools" / "clients" / "bin" / "python"
DRIVERS = ROOT / "tests" / "integration" / "protocols"


def run_client(*arguments: str | Path, stdin: str = "") -> str:
    """Runs Python with the clients; gives what it printed."""
    done = subprocess.run(
        [PYTHON, "-W", "ignore", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_driver(name: str, url: str, picture: Image.Image, png: bytes, *arguments: str) -> str:
    """Runs a driver; gives its last line, which is JSON.

    Args:
        name: A file in `DRIVERS`.
        url: The server's, as the client takes it.
        picture: What the driver asks about.
        png: The same as a file.
        arguments: The driver's own.
    """
    question = {
        "url": url,
        "picture": base64.b64encode(png).decode(),
        "pixels": base64.b64encode(picture.tobytes()).decode(),
    }
    return run_client(DRIVERS / name, *arguments, stdin=json.dumps(question)).splitlines()[-1]


def ask_driver(*arguments: Any) -> dict[str, Any]:
    """What a driver was told; see `run_driver`."""
    told: dict[str, Any] = json.loads(run_driver(*arguments))
    return told
