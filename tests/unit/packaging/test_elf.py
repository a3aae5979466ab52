from __future__ import annotations

import importlib.util
import platform
import re
from pathlib import Path

import pytest

from liteship.errors import PackagingError
from liteship.packaging.elf import read_binary

LIBRARY = Path(str(importlib.util.find_spec("ai_edge_litert").origin)).with_name("libLiteRt.so")  # type: ignore[union-attr]
HERE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


def glibc_by_text(path: Path) -> tuple[int, int]:
    """The newest version that is named anywhere in the file: another way to the same answer."""
    found = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", path.read_bytes())
    return max((int(major), int(minor)) for major, minor in found)


def test_says_processor_and_glibc() -> None:
    binary = read_binary(LIBRARY)
    assert binary is not None
    assert binary.machine == HERE
    assert binary.glibc == glibc_by_text(LIBRARY)


def test_reads_every_library_of_pillow() -> None:
    folder = Path(str(importlib.util.find_spec("PIL").origin)).parent  # type: ignore[union-attr]
    libraries = [*folder.glob("*.so"), *folder.with_name("pillow.libs").iterdir()]
    assert len(libraries) > 10
    for path in libraries:
        binary = read_binary(path)
        assert binary is not None
        assert (binary.machine, binary.glibc) == (HERE, glibc_by_text(path))


def test_another_processor_is_told(tmp_path: Path) -> None:
    content = bytearray(LIBRARY.read_bytes())
    content[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    (tmp_path / "arm.so").write_bytes(content)
    binary = read_binary(tmp_path / "arm.so")
    assert binary is not None
    assert binary.machine == "arm64"


def test_a_32_bit_binary_is_told(tmp_path: Path) -> None:
    (tmp_path / "old.so").write_bytes(b"\x7fELF\x01\x01" + bytes(58))
    binary = read_binary(tmp_path / "old.so")
    assert binary is not None
    assert binary.machine == "not 64-bit little-endian"


@pytest.mark.parametrize("content", [b"", b"\x7fE", b"#!/bin/sh\n", b"import os\n"])
def test_other_files_are_no_binaries(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_binary(tmp_path / "file") is None


@pytest.mark.parametrize("kept_bytes", [6, 40, 64, 2000])
def test_a_truncated_binary_is_named(tmp_path: Path, kept_bytes: int) -> None:
    path = tmp_path / "cut.so"
    path.write_bytes(LIBRARY.read_bytes()[:kept_bytes])
    with pytest.raises(PackagingError) as raised:
        read_binary(path)
    assert raised.value.reference == "binary-broken"
    assert str(path) in raised.value.message
