"""`layers/build.py` without pip; what pip installs is tests/integration/test_layers.py's business."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

SCRIPT = Path(__file__).parents[3] / "layers" / "build.py"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPT.parent)  # as for whoever runs it
    spec = importlib.util.spec_from_file_location("layers_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def layer(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Path]:
    def make(requirements: str, toml: str) -> Path:
        folder = tmp_path / "layers" / "mine"
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text(requirements)
        (folder / "layer.toml").write_text(toml)
        monkeypatch.setattr(build, "HERE", folder.parent)
        return folder

    return make


def test_all_problems_of_the_inputs_are_reported_at_once(
    build: ModuleType, layer: Callable[[str, str], Path]
) -> None:
    folder = layer(
        "a==1 ; python_version < '3.12' \\\n    --hash=sha256:00\n",
        '[[remove]]\nfiles = ["x"]\n[[keep]]\nfiles = ["y"]\nwhy = "y"\ncolour = "red"\n',
    )
    with pytest.raises(build.LayerError) as raised:
        build.read_inputs(folder, "three")
    problems = str(raised.value).splitlines()
    assert len(problems) == 5
    assert "--python" in problems[0]
    assert "marker" in problems[1]
    assert "[[keep]] or [[remove]]" in problems[2]
    assert "needs files and why" in problems[3]
    assert "colour" in problems[4]


def test_the_inputs_of_every_layer_are_sound(build: ModuleType) -> None:
    layers = [path.parent for path in build.HERE.glob("*/layer.toml")]
    assert layers
    for folder in layers:
        requirements, slimming = build.read_inputs(folder, build.PYTHON)
        assert requirements.is_file()
        assert slimming


def test_a_requirement_without_hashes_is_refused(
    build: ModuleType, layer: Callable[[str, str], Path], tmp_path: Path
) -> None:
    layer("pip==25.0\n", "")
    with pytest.raises(build.LayerError, match="--require-hashes"):
        build.build("mine", tmp_path / "out")
    assert [*(tmp_path / "out").iterdir()] == []


def test_normalised_files_have_one_time_and_one_mode(build: ModuleType, installed: Path) -> None:
    build.normalise(installed)
    paths = [*installed.rglob("*")]
    assert {path.stat().st_mtime for path in paths} == {build.EPOCH_S}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}


def test_the_command_names_the_layers_there_are() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "nonsense", "--output", "unused"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "layers here: aws, image, litert, numpy, web" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("unused").exists()
