from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from liteship.errors import PackagingError
from liteship.packaging.archive import write_zip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n" * 100)
    (folder / "data.bin").write_bytes(bytes(1000))
    return folder


def test_members_lie_below_the_prefix(tmp_path: Path, package: Path) -> None:
    path = tmp_path / "layer.zip"
    write_zip(path, {"layer": ("python/", [package])})
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["python/package/__init__.py", "python/package/data.bin"]
        assert archive.read("python/package/data.bin") == bytes(1000)


def test_every_source_is_accounted_for(tmp_path: Path, package: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text("handler = None\n")
    path = tmp_path / "function.zip"
    code, layer = write_zip(path, {"code": ("", [app]), "layer": ("", [package])})
    assert (code.name, code.files, code.unzipped_bytes) == ("code", 1, app.stat().st_size)
    assert (layer.name, layer.files) == ("layer", 2)
    with zipfile.ZipFile(path) as archive:
        assert code.zipped_bytes + layer.zipped_bytes == sum(
            info.compress_size for info in archive.infolist()
        )
    assert layer.zipped_bytes < layer.unzipped_bytes


def test_bytes_depend_on_content_alone(tmp_path: Path, package: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    write_zip(first, {"layer": ("", [package])})
    os.utime(package / "data.bin", (0, 2_000_000_000))
    (package / "__init__.py").chmod(0o600)
    write_zip(second, {"layer": ("", [package])})
    assert first.read_bytes() == second.read_bytes()


def test_files_are_readable_by_another_user(tmp_path: Path, package: Path) -> None:
    (package / "data.bin").chmod(0o600)
    path = tmp_path / "function.zip"
    write_zip(path, {"layer": ("", [package])})
    with zipfile.ZipFile(path) as archive:
        assert {info.external_attr >> 16 & 0o777 for info in archive.infolist()} == {0o644}


def test_the_same_file_twice_is_refused(tmp_path: Path, package: Path) -> None:
    path = tmp_path / "function.zip"
    with pytest.raises(PackagingError) as raised:
        write_zip(path, {"one": ("", [package]), "two": ("", [package])})
    assert raised.value.reference == "archive-collision"
    assert raised.value.received == "once from one, once from two"
    assert not path.exists()
