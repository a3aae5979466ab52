"""The real uv, which needs no network here: what it installs lies beside the lock."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from liteship.conversion.environments import environment_for, install
from liteship.errors import ConfigurationError, LiteshipError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return tmp_path / "cache" / "liteship" / "environments"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Of one package with one module."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "ANSWER = 42\n")
        archive.writestr(
            "tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    path = tmp_path / "tiny.txt"
    path.write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    return path


def answer(python: Path) -> str:
    code = "import tiny; print(tiny.ANSWER)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout


def test_what_the_lock_lists_is_installed_once(lock: Path, cache: Path) -> None:
    said: list[str] = []
    python = install("tiny", lock, lambda: said.append("now"))
    assert answer(python) == "42\n"
    assert install("tiny", lock, lambda: said.append("again")) == python
    assert said == ["now"]
    assert [each.name for each in cache.iterdir()] == [python.parents[1].name]


def test_another_lock_is_another_environment(lock: Path) -> None:
    first = install("tiny", lock, lambda: None)
    lock.write_text("# the same\n" + lock.read_text())
    second = install("tiny", lock, lambda: None)
    assert first != second
    assert answer(first) == answer(second) == "42\n"


def test_two_at_once_take_turns(lock: Path) -> None:
    said: list[str] = []
    found: list[Path] = []

    def work() -> None:
        found.append(install("tiny", lock, lambda: said.append("now")))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == len(said) == 1


def test_what_was_left_of_a_killed_installation_is_cleared_away(lock: Path, cache: Path) -> None:
    python = install("tiny", lock, lambda: None)
    folder = python.parents[1]
    folder.rename(folder.with_name(f".{folder.name}.new"))
    (folder.with_name(f".{folder.name}.new") / "lib").rename(cache / "half")
    assert answer(install("tiny", lock, lambda: None)) == "42\n"
    assert sorted(each.name for each in cache.iterdir()) == sorted([folder.name, "half"])


def test_an_environment_whose_python_is_gone_is_made_anew(lock: Path, tmp_path: Path) -> None:
    python = install("tiny", lock, lambda: None)
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert answer(install("tiny", lock, lambda: None)) == "42\n"


@pytest.mark.parametrize("change", ["network", "hash"])
def test_a_failed_installation_shows_what_uv_said_and_leaves_nothing(
    change: str, lock: Path, cache: Path
) -> None:
    wanted, _, _ = lock.read_text().partition(" --hash")
    requirement = {"network": "liteship-is-not-there==1.0", "hash": wanted}[change]
    lock.write_text(f"{requirement} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ConfigurationError) as raised:
        install("tiny", lock, lambda: None)
    assert raised.value.reference == "environment-install"
    assert {"network": "network", "hash": "ash"}[change] in "\n".join(raised.value.problems)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(lock))  # a file
    with pytest.raises(LiteshipError) as raised:
        install("tiny", lock, lambda: None)
    assert raised.value.reference == "environment-install"


def test_without_uv_the_extra_is_named(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        install("onnx", lock, lambda: None)
    assert raised.value.reference == "extra-missing"
    assert raised.value.hint == "pip install 'liteship[onnx]'"


def test_uv_is_also_found_where_the_shell_finds_it(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert answer(install("tiny", lock, lambda: None)) == "42\n"


def test_what_is_about_to_be_installed_is_said_first() -> None:
    said: list[str] = []

    def stop(message: str) -> None:
        said.append(message)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        environment_for("onnx", stop)
    assert "ONNX converter into an environment of its own" in said[0]
    assert "GB" in said[0]
