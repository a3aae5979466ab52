"""Writes files whole or not at all; standard library only."""

from __future__ import annotations

import os


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes beside the target, then renames: a reader sees the old content or the new, never half.

    Raises:
        OSError: The folder or the file system refuses; nothing is left behind.
    """
    folder, name = os.path.split(os.path.abspath(path))
    beside = os.path.join(folder, f".{name}.{os.getpid()}.new")
    os.makedirs(folder, exist_ok=True)
    try:
        with open(beside, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
