"""Arrays of NumPy's: `.npz` with one array an input, `.npy` with the only input's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.data.samples import LABEL, Raw, choose, require_size, unreadable
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.conversion.data.samples import Arrays, Purpose, Query

_HINT = "write it with numpy.savez(PATH, INPUT=array)"


def read_arrays(path: Path, purpose: Purpose) -> Arrays:
    """Reads an `.npz` whole, without looking at what is in it.

    Args:
        path: The file.
        purpose: For messages.

    Raises:
        CalibrationError: `…-missing`, `…-unreadable` or `…-too-large`, after the purpose.
    """
    if not path.is_file():
        raise CalibrationError(
            f"{purpose}-missing",
            f"there is no {purpose} data {path}",
            hint="write it in train.py, or correct its path",
        )
    arrays: Arrays = {}
    size_bytes, strangers = 0, ["a single array"]
    try:
        with path.open("rb") as file:
            # allow_pickle=False: a data file must not be able to run code
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.lib.npyio.NpzFile):
                size_bytes = _uncompressed_bytes(archive)
                require_size(size_bytes, path, purpose)
                arrays = {name: archive[name] for name in archive.files}
                strangers = [
                    f"{name}, which is no array"
                    for name, array in arrays.items()
                    if not isinstance(array, np.ndarray)
                ]
    except CalibrationError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib raise whatever damaged bytes lead them to
        raise unreadable(path, purpose, ".npz", f"{type(error).__name__}: {error}", _HINT) from error
    if strangers:
        raise unreadable(path, purpose, ".npz", f"it holds {strangers[0]}", _HINT)
    return arrays


def read_npz(path: Path, query: Query) -> Raw:
    """Arrays by input name, and `label`. Calibration data may have labels, too: they are left out."""
    inputs = read_arrays(path, query.purpose)
    if query.is_labelled and LABEL in query.names:
        problem = f"an input named {LABEL} cannot be told from the labels; use module:callable"
        return Raw(inputs={}, problems=[problem])
    if query.is_labelled or LABEL not in query.names:
        labels = inputs.pop(LABEL, None)
        return Raw(inputs=inputs, labels=labels if query.is_labelled else None)
    return Raw(inputs=inputs)


def read_npy(path: Path, query: Query) -> Raw:
    """The only input's samples; of a large file only those that are chosen."""
    _require_unlabelled(path, query.purpose)
    array = _mapped(path, query.purpose)
    chosen = choose(len(array), query.samples, query.seed) if array.ndim else None
    count = len(array) if chosen is None and array.ndim else query.samples or 1
    require_size(array.nbytes // max(len(array) if array.ndim else 1, 1) * count, path, query.purpose)
    if len(query.specs) != 1:
        problem = f"one array, but the model has the inputs {query.names}: save them with numpy.savez"
        return Raw(inputs={}, problems=[problem])
    return Raw(inputs={query.names[0]: np.array(array if chosen is None else array[chosen])})


def check_npz(path: Path, purpose: Purpose) -> None:
    """Reads the archive's directory and its arrays' headers.

    Raises:
        CalibrationError: `…-unreadable` or `…-too-large`.
    """
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            is_archive = isinstance(archive, np.lib.npyio.NpzFile)
            size_bytes = _uncompressed_bytes(archive) if is_archive else 0
    except Exception as error:  # as above
        raise unreadable(path, purpose, ".npz", f"{type(error).__name__}: {error}", _HINT) from error
    if not is_archive:
        raise unreadable(path, purpose, ".npz", "it holds a single array", _HINT)
    require_size(size_bytes, path, purpose)


def check_npy(path: Path, purpose: Purpose) -> None:
    """Reads the array's header.

    Raises:
        CalibrationError: `…-unreadable`, or `…-format` where labels are needed.
    """
    _require_unlabelled(path, purpose)
    _mapped(path, purpose)


def _uncompressed_bytes(archive: Any) -> int:
    return sum(entry.file_size for entry in archive.zip.infolist())


def _mapped(path: Path, purpose: Purpose) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    hint = "write it with numpy.save(PATH, array)"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # as above
        raise unreadable(path, purpose, ".npy", f"{type(error).__name__}: {error}", hint) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise unreadable(path, purpose, ".npy", "it is an archive of arrays; name it .npz", hint)
    return array


def _require_unlabelled(path: Path, purpose: Purpose) -> None:
    if purpose != "calibration":
        raise CalibrationError(
            f"{purpose}-format",
            f"{path} holds one array, which leaves no place for labels",
            expected="samples with their labels",
            hint="save both: numpy.savez('data.npz', INPUT=array, label=labels)",
        )
