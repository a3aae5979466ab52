"""The trained model: which format it is, whether it is whole, its digest. Standard library only."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Literal

from liteship.conversion.sources.protobuf import outer_fields
from liteship.conversion.sources.torch_archive import archive_digest, kind_of
from liteship.errors import SourceModelError

SourceFormat = Literal[
    "keras", "h5", "saved-model", "torch-factory", "torch-export", "torchscript", "onnx", "tflite"
]

_FORMATS: dict[str, SourceFormat] = {
    ".keras": "keras",
    ".h5": "h5",
    ".hdf5": "h5",
    ".pt2": "torch-export",
    ".pt": "torchscript",
    ".pth": "torchscript",
    ".onnx": "onnx",
    ".tflite": "tflite",
}
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_TFLITE_MAGIC = b"TFL3"  # file identifier at offset 4 of the flatbuffer
_KERAS_MEMBERS = ("config.json", "model.weights.h5")
_SAVED_MODEL = "saved_model.pb"
_META_GRAPHS = 2  # field of SavedModel, tensorflow/core/protobuf/saved_model.proto
_GRAPH, _OPERATOR_SETS = 7, 8  # fields of ModelProto, onnx/onnx.proto
_AS_KERAS = "save the model again with model.save('NAME.keras')"


def check_source(source: str | Path) -> SourceFormat:
    """Tells a source model's format, and refuses what cannot be one before a framework is started.

    Args:
        source: A file, a SavedModel's folder, or `module:factory`, which is not looked up here.

    Raises:
        SourceModelError: `source-missing`, `source-format`, `source-corrupt` or `source-weights-only`.
    """
    path = Path(source)
    if _FACTORY.fullmatch(str(source)) and not path.exists():
        return "torch-factory"
    if path.is_dir() and (path / _SAVED_MODEL).is_file():
        _check_message(path / _SAVED_MODEL, {_META_GRAPHS}, "a SavedModel", "model.export('FOLDER')")
        return "saved-model"
    if not path.is_file():
        missing = f"{_SAVED_MODEL} in {path}" if path.is_dir() else f"trained model {path}"
        raise SourceModelError(
            "source-missing",
            f"there is no {missing}",
            hint="train it first, or correct model.source in function.toml",
        )
    source_format = _FORMATS.get(path.suffix.lower())
    if source_format is None:
        raise SourceModelError(
            "source-format",
            f"{path} has a format that cannot be converted",
            expected=f"one of {', '.join(_FORMATS)}, a SavedModel's folder, or module:factory",
            received=path.suffix or "no suffix",
            hint="save the model with model.save('NAME.keras')",
        )
    with path.open("rb") as file:
        head = file.read(8)
    if source_format == "keras":
        _check_keras_archive(path)
    elif source_format in {"torch-export", "torchscript"}:
        return _check_torch_archive(path)
    elif source_format == "onnx":
        _check_message(path, {_GRAPH, _OPERATOR_SETS}, "an ONNX model", "onnx.save(model, 'NAME.onnx')")
    elif source_format == "h5" and head != _HDF5_MAGIC:
        raise _corrupt(path, "an HDF5 file", head)
    elif source_format == "tflite" and head[4:] != _TFLITE_MAGIC:
        raise _corrupt(path, "a TFLite flatbuffer", head)
    return source_format


def source_digest(source: str | Path, source_format: SourceFormat) -> str | None:
    """sha256 of what decides the model; None for a factory, whose weights may come from anywhere.

    A `.keras` archive also holds the time it was saved, the optimizer, and numbers that Keras gives
    to shared objects anew in every process; without these the same training gives the same digest.
    So do PyTorch's archives without what helps debugging. A SavedModel's digest is of its files, but
    for `fingerprint.pb`, which is another for each save. Two saves of one model still differ, as
    TensorFlow numbers functions and orders variables anew: it tells files apart, not trainings.
    """
    path = Path(source)
    if source_format == "torch-factory":
        return None
    if source_format == "saved-model":
        return _folder_digest(path)
    if source_format in {"torch-export", "torchscript"}:
        return archive_digest(path)
    if source_format != "keras":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"), object_hook=_without_process_details)
        weights = archive.read("model.weights.h5")
    structure = json.dumps(config, sort_keys=True).encode()
    return hashlib.sha256(structure + weights).hexdigest()


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    files = {each.relative_to(folder).as_posix(): each for each in folder.rglob("*") if each.is_file()}
    for name, path in sorted(files.items()):
        if name != "fingerprint.pb":
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


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
            hint=_AS_KERAS,
        )


def _check_torch_archive(path: Path) -> SourceFormat:
    """Goes by the content: PyTorch's files are known by any of its suffixes."""
    kind = kind_of(path)
    if kind == "weights":
        raise SourceModelError(
            "source-weights-only",
            f"{path} holds weights without the module's structure, or a pickled module, which liteship "
            "does not unpickle: that would run whatever code the file names",
            expected="a module with its structure: torch.export.save, or a function that builds it",
            hint="write a function that builds the module and loads the weights into it with "
            "load_state_dict(torch.load(PATH, weights_only=True)), and convert MODULE:FUNCTION",
        )
    if kind == "unknown":
        raise SourceModelError(
            "source-corrupt",
            f"{path} is an archive, but none that PyTorch 2.13 writes",
            expected="an archive of torch.export.save or torch.jit.save",
            hint="export the model again with torch.export.save",
        )
    return kind


def _check_message(path: Path, needed: set[int], expected: str, again: str) -> None:
    found = outer_fields(path)
    if found is None or not needed <= found:
        with path.open("rb") as file:
            head = file.read(8)
        raise _corrupt(path, f"{expected}, undamaged", head, f"save the model again with {again}")


def _corrupt(path: Path, expected: str, head: bytes, hint: str = _AS_KERAS) -> SourceModelError:
    return SourceModelError(
        "source-corrupt",
        f"{path} is damaged or not what its name says",
        expected=expected,
        received=f"a file that begins with {head.hex(' ') or 'nothing'}",
        hint=hint,
    )
