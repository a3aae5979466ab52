"""`liteship demo` from end to end in a copy of the project, then every command that README.md shows."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions", folder / "functions", ignore=ignored)
    (folder / "layers").symlink_to(ROOT / "layers")
    (folder / ".tools").symlink_to(ROOT / ".tools")
    return folder


@pytest.fixture(scope="module")
def steps(project: Path) -> list[dict[str, Any]]:
    result = subprocess.run(
        [sys.executable, "-m", "liteship", "demo", "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout
    content: list[dict[str, Any]] = json.loads(result.stdout)["steps"]
    return content


def test_every_step_tells_its_result(steps: list[dict[str, Any]]) -> None:
    results = [step["result"] for step in steps]
    assert len(results) == 7
    assert results[3].startswith("label 7")
    assert results[4].endswith("the same scores")
    assert "results/zwei drei+vier/é 7.png." in results[5]
    assert results[6].startswith("the same prediction")


def test_the_trained_model_keeps_its_promises(steps: list[dict[str, Any]], project: Path) -> None:
    assert steps
    manifest = json.loads((project / "functions" / "digits" / "model" / "model.json").read_text())
    accuracy = manifest["provenance"]["accuracy"]
    assert accuracy["source"] >= 0.97
    assert accuracy["source"] - accuracy["artifact"] <= 0.01
    assert manifest["size_bytes"] <= 0.27 * manifest["provenance"]["source"]["float_tflite_bytes"]


def readme_commands() -> list[str]:
    lines = (ROOT / "README.md").read_text().splitlines()
    return [line.strip() for line in lines if line.startswith("    .venv/bin/liteship ")]


def test_readme_shows_commands() -> None:
    assert len(readme_commands()) >= 4


def test_what_is_committed_says_as_much_as_a_new_conversion(
    steps: list[dict[str, Any]], project: Path
) -> None:
    assert steps
    place = Path("functions", "digits", "model", "model.json")
    committed, new = (json.loads((root / place).read_text()) for root in (ROOT, project))
    assert committed.keys() == new.keys()
    assert keys_of(committed["provenance"]) == keys_of(new["provenance"])


def keys_of(value: Any, where: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {where}
    return {key for name, each in value.items() for key in keys_of(each, f"{where}/{name}")}


@pytest.mark.parametrize("command", readme_commands())
def test_readme_commands_run(command: str, steps: list[dict[str, Any]], project: Path) -> None:
    assert steps
    arguments = shlex.split(command)[1:]
    result = subprocess.run(
        [sys.executable, "-m", "liteship", *arguments],
        cwd=project,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout
