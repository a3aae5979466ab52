from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import liteship
from liteship.errors import ArtifactError, PackagingError
from liteship.packaging.bundle import RUNS_AT, bundle

SOURCES = Path(liteship.__file__).parents[1]
OTHER_PYTHON = "3.99"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_holds_code_artifact_and_the_run_half_only(function_folder: Path, tmp_path: Path) -> None:
    (function_folder / "train.py").write_text("import tensorflow\n")
    (function_folder / "model" / "notes.txt").write_text("not for shipping\n")
    bundle(function_folder, tmp_path / "out", OTHER_PYTHON)
    files = contents(tmp_path / "out")
    assert {name for name in files if not name.startswith("liteship/")} == {
        *("app.py", "model/model.tflite", "model/model.json", "model/golden.bin.zlib")
    }
    parts = {name.split("/")[1] for name in files if name.startswith("liteship/")}
    assert parts == {
        *("__init__.py", "errors.py", "files.py", "quantization.py", "artifact", "runtime")
    }
    assert "liteship/runtime/pages/try_it.html" in files
    for name, content in files.items():
        if name.startswith("liteship/"):
            assert content == (SOURCES / name).read_bytes()


def test_the_same_inputs_give_the_same_bytes(function_folder: Path, tmp_path: Path) -> None:
    bundle(function_folder, tmp_path / "first")
    bundle(function_folder, tmp_path / "second")
    first = contents(tmp_path / "first")
    assert any(name.endswith(".pyc") for name in first)
    assert first == contents(tmp_path / "second")
    times = {path.stat().st_mtime for path in (tmp_path / "first" / "liteship").rglob("*")}
    assert len(times) == 1


def test_byte_code_is_used_without_a_look_at_its_source(function_folder: Path, tmp_path: Path) -> None:
    bundle(function_folder, tmp_path / "out")
    sources = [*(tmp_path / "out").rglob("*.py")]
    assert sources
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        # https://peps.python.org/pep-0552/: bit 0 says hash-based, bit 1 that the hash is checked
        assert int.from_bytes(compiled[4:8], "little") == 1
    app = Path(importlib.util.cache_from_source(str(tmp_path / "out" / "app.py"))).read_bytes()
    assert f"{RUNS_AT}/app.py".encode() in app
    assert str(tmp_path).encode() not in app


def test_no_byte_code_for_another_python(function_folder: Path, tmp_path: Path) -> None:
    bundle(function_folder, tmp_path / "out", OTHER_PYTHON)
    assert not [*(tmp_path / "out").rglob("__pycache__")]


def test_replaces_an_older_bundle_and_nothing_else(function_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bundle(function_folder, out, OTHER_PYTHON)
    (out / "liteship" / "gone.py").write_text("")
    (out / "mine.txt").write_text("mine")
    bundle(function_folder, out, OTHER_PYTHON)
    assert not (out / "liteship" / "gone.py").exists()
    assert (out / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in out.iterdir()) == ["app.py", "liteship", "mine.txt", "model"]


def test_a_function_without_code_is_refused(function_folder: Path, tmp_path: Path) -> None:
    (function_folder / "app.py").unlink()
    with pytest.raises(PackagingError) as raised:
        bundle(function_folder, tmp_path / "out")
    assert raised.value.reference == "function-code-missing"
    assert not (tmp_path / "out").exists()


def test_code_that_does_not_compile_is_refused(function_folder: Path, tmp_path: Path) -> None:
    (function_folder / "app.py").write_text("handler = (\n")
    with pytest.raises(PackagingError) as raised:
        bundle(function_folder, tmp_path / "out")
    assert raised.value.reference == "function-code-broken"
    assert not [*(tmp_path / "out").iterdir()]


def test_a_damaged_artifact_is_refused(function_folder: Path, tmp_path: Path) -> None:
    with (function_folder / "model" / "model.tflite").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ArtifactError) as raised:
        bundle(function_folder, tmp_path / "out")
    assert raised.value.reference == "artifact-digest"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(function_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(PackagingError) as raised:
        bundle(function_folder, tmp_path / "out")
    assert raised.value.reference == "bundle-unwritable"


def run_bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as `sam build` runs it: a Python without any package."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "liteship.packaging.bundle", *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_runs_on_a_bare_python(function_folder: Path, tmp_path: Path) -> None:
    done = run_bare(str(function_folder), "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "model" / "model.json").read_text())
    assert manifest["name"] == "digits"


def test_the_command_explains_a_mistake_without_a_traceback(tmp_path: Path) -> None:
    done = run_bare(str(tmp_path / "nothing"), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "there is no" in done.stderr
    assert "Traceback" not in done.stderr
