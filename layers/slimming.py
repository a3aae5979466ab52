"""What a dependency layer leaves out: files that a list names, what no process loads, words in JSON."""

from __future__ import annotations

import fnmatch
import gzip
import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEYS = {
    "keep": {"files", "except", "why"},
    "remove": {"files", "except", "why"},
    "shorten": {"files", "empty", "only", "why"},
}
"""The kinds of rules of a `layer.toml`, and what each may say."""

# What pip writes for itself: it differs from one install to the next and nothing at run time reads it
PIP_RECORDS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")

LOADED = 1
"""The type of a segment that a process loads (PT_LOAD)."""

HEADER = "<IIQQQQQQ"
"""A program header: type, flags, offset, address, physical one, size, size in memory, alignment."""

PAGE_BYTES = {62: 4096, 183: 65536}
"""The largest pages of a machine (EM_X86_64, EM_AARCH64): what a segment is aligned to."""


class LayerError(Exception):
    """The layer cannot be built; the message says what to do."""


def slim(root: Path, slimming: dict[str, list[dict[str, Any]]], layer: str) -> None:
    """Deletes and shortens what the list says, and deletes what pip wrote for itself.

    Raises:
        LayerError: A pattern that matches no file: the list no longer fits the package.
    """
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    patterns = [
        pattern
        for rules in slimming.values()
        for rule in rules
        for pattern in (*rule["files"], *rule.get("except", ()))
    ]
    if unmatched := [pattern for pattern in patterns if not match(files, [pattern])]:
        raise LayerError(
            f"{layer}/layer.toml: nothing in the installed packages matches "
            f"{', '.join(unmatched)}; correct the list"
        )
    kept = {file for file in files if not is_pip_record(file)}
    if "keep" in slimming:
        kept &= chosen_by(slimming["keep"], files)
    kept -= chosen_by(slimming.get("remove", []), files)
    for file in files - kept:
        (root / file).unlink()
    for rule in slimming.get("shorten", []):
        for file in chosen_by([rule], kept):
            shorten(root / file, set(rule.get("empty", ())), rule.get("only", {}))
    for folder in sorted((each for each in root.rglob("*") if each.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def chosen_by(rules: list[dict[str, Any]], files: set[str]) -> set[str]:
    """The files (relative paths) that one of the rules speaks of."""
    found: set[str] = set()
    for rule in rules:
        found |= match(files, rule["files"]) - match(files, rule.get("except", ()))
    return found


def match(files: set[str], patterns: Iterable[str]) -> set[str]:
    """The files that one of the patterns matches; `*` matches slashes, too."""
    return {file for file in files for pattern in patterns if fnmatch.fnmatchcase(file, pattern)}


def shorten(path: Path, empty: set[str], only: dict[str, list[str]]) -> None:
    """Writes a JSON file anew, with less in it and without white space.

    Args:
        path: The file; one that is compressed (`.json.gz`) becomes one that is not: an archive
            compresses it again, and a start need not unpack it.
        empty: Names whose value becomes an empty text where it is text.
        only: By the name of an object, what stays in it.
    """
    packed = path.suffix == ".gz"
    content = path.read_bytes()
    document = json.loads(gzip.decompress(content) if packed else content)
    shortened = json.dumps(_shortened(document, empty, only), separators=(",", ":"))
    if packed:
        path.unlink()
        path = path.with_suffix("")
    path.write_text(shortened, encoding="utf-8")


def _shortened(value: Any, empty: set[str], only: dict[str, list[str]]) -> Any:
    if isinstance(value, list):
        return [_shortened(each, empty, only) for each in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, each in value.items():
        if name in empty and isinstance(each, str):
            result[name] = ""
        elif name in only and isinstance(each, dict):
            wanted = {key: each[key] for key in only[name] if key in each}
            result[name] = _shortened(wanted, empty, only)
        else:
            result[name] = _shortened(each, empty, only)
    return result


def is_pip_record(file: str) -> bool:
    """Whether pip wrote this file (relative path) about the install: records, scripts, byte code."""
    folder, _, name = file.rpartition("/")
    return (
        (folder.endswith(".dist-info") and name in PIP_RECORDS)
        or file.startswith("bin/")
        or name.endswith(".pyc")
    )


def drop_what_is_not_loaded(root: Path) -> None:
    """Cuts out of every library what no process ever loads.

    Symbol tables and debug information are three quarters of Pillow's largest library, and a tool that
    renamed libraries left megabytes of zeros behind. None is needed here that a build image may lack.
    """
    for path in sorted(root.rglob("*.so*")):
        content = path.read_bytes()
        loaded = only_loaded(content)
        if len(loaded) < len(content):
            path.write_bytes(loaded)


def only_loaded(library: bytes) -> bytes:
    """An ELF library's headers and loaded segments, each as near to the one before as its pages allow.

    In memory everything stays where it is. What is no 64-bit little-endian ELF library, or none whose
    headers are loaded with it, comes back as it is.
    Layout: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html.
    """
    if library[:6] != b"\x7fELF\x02\x01":
        return library
    (machine,) = struct.unpack_from("<H", library, 18)
    (table,) = struct.unpack_from("<Q", library, 32)
    header_bytes, count = struct.unpack_from("<HH", library, 54)
    page_bytes = PAGE_BYTES.get(machine)
    places = range(table, table + count * header_bytes, header_bytes)
    headers = [struct.unpack_from(HEADER, library, place) for place in places]
    loaded = sorted((each for each in headers if each[0] == LOADED), key=lambda each: each[2])
    if page_bytes is None or not loaded or loaded[0][2] != 0 or places.stop > loaded[0][5]:
        return library
    moved: list[tuple[int, int, int]] = []  # from, to, size
    packed = bytearray()
    for _, _, offset, address, _, size_bytes, _, _ in loaded:
        packed.extend(bytes((address - len(packed)) % page_bytes))
        moved.append((offset, len(packed), size_bytes))
        packed.extend(library[offset : offset + size_bytes])
    for place, (kind, flags, offset, *rest, alignment) in zip(places, headers, strict=True):
        for start, target, size_bytes in moved:
            if start <= offset < start + size_bytes:
                offset += target - start  # noqa: PLW2901
                break
        if kind == LOADED:
            alignment = min(alignment, page_bytes)  # noqa: PLW2901
        struct.pack_into(HEADER, packed, place, kind, flags, offset, *rest, alignment)
    struct.pack_into("<Q", packed, 40, 0)  # no section headers: they would name what is gone
    struct.pack_into("<HH", packed, 60, 0, 0)
    return bytes(packed)
