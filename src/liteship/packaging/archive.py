"""Zip files whose bytes depend on their content alone."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.errors import PackagingError
from liteship.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16  # Lambda runs the code as another user than the one who packed it


@dataclass(frozen=True, kw_only=True)
class Content:
    """What one source contributes to a zip file.

    Attributes:
        name: `code`, `model`, or a layer's name.
        unzipped_bytes: Sum of its files.
        zipped_bytes: Sum of its compressed files; the zip's own directory comes on top.
        files: How many.
    """

    name: str
    unzipped_bytes: int
    zipped_bytes: int
    files: int


def write_zip(path: Path, sources: Mapping[str, tuple[str, list[Path]]]) -> tuple[Content, ...]:
    """Writes one zip file, whole or not at all; the same contents give the same bytes.

    Args:
        path: The zip file.
        sources: By name, the folder inside the zip (`""` or `python/`), and the files and folders
            that go there.

    Returns:
        What each source contributed.

    Raises:
        PackagingError: `archive-collision` when two sources bring the same file.
    """
    origin: dict[str, str] = {}
    members: dict[str, Path] = {}
    for source, (prefix, entries) in sources.items():
        for entry in entries:
            for file in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
                if file.is_dir():
                    continue
                member = prefix + file.relative_to(entry.parent).as_posix()
                if member in members:
                    raise PackagingError(
                        "archive-collision",
                        f"{path.name} would hold {member} twice",
                        received=f"once from {origin[member]}, once from {source}",
                        hint="take the package out of one of the two",
                    )
                origin[member], members[member] = source, file
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member, _EPOCH)
            info.create_system = 3  # Unix, whatever machine packs
            info.external_attr = _READABLE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, members[member].read_bytes(), compresslevel=9)
        infos = {info.filename: info for info in archive.infolist()}
    replace_file(path, buffer.getvalue())
    by_source = {
        source: [infos[member] for member in members if origin[member] == source] for source in sources
    }
    return tuple(
        Content(
            name=source,
            unzipped_bytes=sum(info.file_size for info in found),
            zipped_bytes=sum(info.compress_size for info in found),
            files=len(found),
        )
        for source, found in by_source.items()
    )
