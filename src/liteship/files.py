"""Writes files whole or not at all; standard library only."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def locked_folder(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Holds a folder, made where it is missing, against every other process that asks for it so.

    Raises:
        OSError: The folder cannot be made or opened.
    """
    import fcntl

    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which gives it back, as the process's end would


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
