"""The trained model on disk: which format it is, whether it is whole, its digest."""

from __future__ import annotations

import hashlib
import json
import zipfile
from typing import TYPE_CHECKING, Literal

from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from pathlib import Path

SourceFormat = Literal["keras", "h5", "tflite"]

_FORMATS: dict[str, SourceFormat] = {".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".tflite": "tflite"}
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_TFLITE_MAGIC = b"TFL3"  # file identifier at offset 4 of the flatbuffer
_KERAS_MEMBERS = ("config.json", "model.weights.h5")


def check_source(path: Path) -> SourceFormat:
    """Tells a source model's format, and refuses what cannot be one before TensorFlow is started.

    Raises:
        SourceModelError: `source-missing`, `source-format`, `source-corrupt` or `source-weights-only`.
    """
    if not path.is_file():
        raise SourceModelError(
            "source-missing",
            f"there is no trained model {path}",
            hint="train it first, or correct model.source in function.toml",
        )
    source_format = _FORMATS.get(path.suffix.lower())
    if source_format is None:
        raise SourceModelError(
            "source-format",
            f"{path} has a format that cannot be converted",
            expected=f"one of {', '.join(_FORMATS)}",
            received=path.suffix or "no suffix",
            hint="save the model with model.save('NAME.keras')",
        )
    with path.open("rb") as file:
        head = file.read(8)
    if source_format == "keras":
        _check_keras_archive(path)
    elif source_format == "h5" and head != _HDF5_MAGIC:
        raise _corrupt(path, "an HDF5 file", head)
    elif source_format == "tflite" and head[4:] != _TFLITE_MAGIC:
        raise _corrupt(path, "a TFLite flatbuffer", head)
    return source_format


def source_digest(path: Path, source_format: SourceFormat) -> str:
    """sha256 of what decides the model.

    A `.keras` archive also holds the time it was saved, the optimizer, and numbers that Keras gives
    to shared objects anew in every process; without these the same training gives the same digest.
    """
    if source_format != "keras":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"), object_hook=_without_process_details)
        weights = archive.read("model.weights.h5")
    structure = json.dumps(config, sort_keys=True).encode()
    return hashlib.sha256(structure + weights).hexdigest()


def _without_process_details(fields: dict[str, object]) -> dict[str, object]:
    dropped = {"shared_object_id", "compile_config"}
    return {key: value for key, value in fields.items() if key not in dropped}


def _check_keras_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            missing = set(_KERAS_MEMBERS) - set(archive.namelist())
            broken = archive.testzip()
    except Exception as error:  # zipfile and zlib raise whatever damaged bytes lead them to
        raise _corrupt(path, "a Keras archive", path.read_bytes()[:8]) from error
    if missing or broken:
        raise SourceModelError(
            "source-corrupt",
            f"{path} is not a whole Keras archive",
            expected=f"{' and '.join(_KERAS_MEMBERS)}, undamaged",
            received=f"no {', '.join(sorted(missing))}" if missing else f"a damaged {broken}",
            hint="save the model again with model.save('NAME.keras')",
        )


def _corrupt(path: Path, expected: str, head: bytes) -> SourceModelError:
    return SourceModelError(
        "source-corrupt",
        f"{path} is damaged or not what its name says",
        expected=expected,
        received=f"a file that begins with {head.hex(' ') or 'nothing'}",
        hint="save the model again with model.save('NAME.keras')",
    )
