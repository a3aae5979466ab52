"""The commands of docs/guides/protocols.md, section "Open Inference Protocol", are run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guides" / "protocols.md"
PYTHON = ROOT / ".tools" / "clients" / "bin" / "python"


@pytest.fixture(scope="module")
def run(
    start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, digit_png: bytes
) -> Callable[..., str]:
    """Runs the section's example in a language, against a server of its own; gives what it printed."""
    address = start_server().url.removeprefix("http://")
    folder = tmp_path_factory.mktemp("guide")
    (folder / "seven.png").write_bytes(digit_png)
    section = GUIDE.read_text().partition("\n## Open Inference Protocol\n")[2].partition("\n## ")[0]

    def run_example(language: str, *command: str | Path) -> str:
        (example,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        done = subprocess.run(
            [*command, example.replace("localhost:8080", address)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_example


def test_curl(run: Callable[..., str]) -> None:
    content = json.loads(run("sh", "sh", "-c"))
    best, *_ = content["outputs"][0]["data"]
    assert best.endswith(":7:7")


def test_tritonclient(run: Callable[..., str]) -> None:
    assert run("python", PYTHON, "-c") == "(2, 10)\n"
