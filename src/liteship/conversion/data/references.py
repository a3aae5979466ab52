"""Where data is, a path or `module:callable`, and a first look at it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from liteship.conversion.data import archives, batches, csv_tables, parquet_tables, pictures
from liteship.conversion.data.samples import as_text
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.conversion.data.samples import Purpose, Query, Raw

DataReference = str
"""A path, or `module:callable`."""

_CALLABLE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")

_READERS: dict[str, Callable[[Path, Query], Raw]] = {
    ".npz": archives.read_npz,
    ".npy": archives.read_npy,
    ".csv": csv_tables.read_csv,
    ".parquet": parquet_tables.read_parquet,
}

_CHECKS: dict[str, Callable[[Path, Purpose], None]] = {
    ".npz": archives.check_npz,
    ".npy": archives.check_npy,
    ".csv": csv_tables.check_csv,
    ".parquet": parquet_tables.check_parquet,
}


def check_reference(reference: DataReference, purpose: Purpose, *, folder: Path | None = None) -> None:
    """Refuses what cannot be data, reading no more than the beginning of a file.

    Args:
        reference: A path, or `module:callable`.
        purpose: What the data is for.
        folder: Where a module may be, besides the current folder.

    Raises:
        CalibrationError: `…-missing`, `…-format`, `…-unreadable`, `…-too-large`, `…-callable`, or
            `extra-missing`; the dots stand for the purpose.
    """
    if is_callable(reference):
        batches.check_callable(reference, purpose, folder)
    elif os.path.isdir(reference):
        pictures.check_folder(Path(reference), purpose)
    else:
        _CHECKS[_suffix(reference, purpose)](Path(reference), purpose)


def read(reference: DataReference, query: Query) -> Raw:
    """Reads data of any form.

    Raises:
        CalibrationError: As `check_reference`.
    """
    if is_callable(reference):
        return batches.read_batches(reference, query)
    if os.path.isdir(reference):
        return pictures.read_folder(Path(reference), query)
    return _READERS[_suffix(reference, query.purpose)](Path(reference), query)


def is_callable(reference: DataReference) -> bool:
    """Whether it is `module:callable`: a file of that very name or of a known suffix is a path."""
    is_file = os.path.exists(reference) or Path(reference).suffix.lower() in _READERS
    return not is_file and _CALLABLE.fullmatch(reference) is not None


def _suffix(reference: DataReference, purpose: Purpose) -> str:
    if not os.path.isfile(reference):
        raise CalibrationError(
            f"{purpose}-missing",
            f"there is no {purpose} data {as_text(reference)}",
            hint="write it in train.py, or correct its path",
        )
    suffix = Path(reference).suffix.lower()
    if suffix not in _READERS:
        raise CalibrationError(
            f"{purpose}-format",
            f"{as_text(reference)} is no data that can be read",
            expected=f"a file that ends in {', '.join(_READERS)}; a folder of pictures; "
            "or module:callable",
            received=suffix or "no suffix",
            hint="save it in one of these forms: docs/guides/calibration-data.md",
        )
    return suffix
