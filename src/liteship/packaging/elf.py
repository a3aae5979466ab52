"""Reads from a Linux binary what decides where it can run: the processor and the oldest glibc.

Layout: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"\x7fELF"
_64_BIT_LITTLE_ENDIAN = b"\x02\x01"
_MACHINES = {62: "x86_64", 183: "arm64"}  # EM_X86_64, EM_AARCH64
_LOAD, _DYNAMIC = 1, 2  # segment types
_STRING_TABLE, _VERSION_NEEDS, _VERSION_NEEDS_COUNT = 5, 0x6FFF_FFFE, 0x6FFF_FFFF  # dynamic tags


@dataclass(frozen=True, kw_only=True)
class Binary:
    """One shared library or program.

    Attributes:
        machine: Lambda's name of the architecture, or `machine N` for one that it does not have.
        glibc: The oldest glibc that has every symbol version it asks for, such as (2, 28); (0, 0)
            when it asks for none.
    """

    machine: str
    glibc: tuple[int, int]


def read_binary(path: Path) -> Binary | None:
    """What a file says about where it can run; None for a file that is no ELF binary.

    Raises:
        PackagingError: `binary-broken` for a damaged one.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
        content = _MAGIC + file.read()
    try:
        if content[4:6] != _64_BIT_LITTLE_ENDIAN:
            return Binary(machine="not 64-bit little-endian", glibc=(0, 0))
        (machine,) = struct.unpack_from("<H", content, 18)
        needs = [name for name in _version_needs(content) if name.startswith("GLIBC_2.")]
        glibc = max((_version(name) for name in needs), default=(0, 0))
    except (struct.error, ValueError, StopIteration) as error:
        raise PackagingError(
            "binary-broken",
            f"{path} begins like an ELF binary but cannot be read as one: {error}",
            hint="delete the folder build/ and package again",
        ) from error
    return Binary(machine=_MACHINES.get(machine, f"machine {machine}"), glibc=glibc)


def _version(name: str) -> tuple[int, int]:
    """`GLIBC_2.2.5` as (2, 2)."""
    numbers = name.removeprefix("GLIBC_").split(".")
    return int(numbers[0]), int(numbers[1])


def _version_needs(content: bytes) -> Iterator[str]:
    """The names of all symbol versions that the binary asks other libraries for."""
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_bytes, count = struct.unpack_from("<HH", content, 54)
    segments = [
        struct.unpack_from("<IIQQQQ", content, table + index * entry_bytes) for index in range(count)
    ]
    loads: list[tuple[int, int, int]] = [
        (address, size, offset) for kind, _, offset, address, _, size in segments if kind == _LOAD
    ]

    if any(offset + size > len(content) for _, size, offset in loads):
        msg = "it is cut off"
        raise ValueError(msg)

    def in_file(address: int) -> int:
        return next(
            address - start + offset for start, size, offset in loads if start <= address < start + size
        )

    dynamic: dict[int, int] = {}
    for kind, _, offset, _, _, size in segments:
        if kind == _DYNAMIC:
            dynamic.update(struct.iter_unpack("<QQ", content[offset : offset + size]))
    if _VERSION_NEEDS not in dynamic:
        return
    strings, need = in_file(dynamic[_STRING_TABLE]), in_file(dynamic[_VERSION_NEEDS])
    for _ in range(dynamic[_VERSION_NEEDS_COUNT]):
        _, versions, _, first, following = struct.unpack_from("<HHIII", content, need)
        version = need + first
        for _ in range(versions):
            _, _, _, name, step = struct.unpack_from("<IHHII", content, version)
            start = strings + name
            yield content[start : content.index(b"\0", start)].decode("ascii")
            version += step
        need += following
