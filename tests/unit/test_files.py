from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from liteship.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def test_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    replace_file(path, b"first")
    replace_file(str(path), b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["file"]


def test_a_relative_path_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    replace_file("file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(target, b"content")
    assert os.listdir(tmp_path) == ["target"]


def test_a_full_device_keeps_the_old_content(tmp_path: Path) -> None:
    # RLIMIT_FSIZE is a disk that is full at once; in a process of its own, for it stays.
    import subprocess
    import sys

    path = tmp_path / "file"
    replace_file(path, b"old")
    script = (
        "import resource, signal, sys; from liteship.files import replace_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: replace_file(sys.argv[1], bytes(5000))\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == os.strerror(27)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
