from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from liteship.conversion.sources import check_source, source_digest
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
TFLITE = bytes(4) + b"TFL3" + bytes(100)
ONNX = bytes.fromhex("0808 3a03 0a0161 4202 1011")  # IR version 8, a graph, operator set 17
SAVED_MODEL = bytes.fromhex("0801 1203 0a0161")  # schema version 1, a meta graph
EXPORTED = {"models/model.json": b'{"graph_module": {}}', "data/weights/weight_0": bytes(9)}
SCRIPT = {"constants.pkl": b"c", "code/__torch__/m.py": b"def forward", "data.pkl": b"d"}
WEIGHTS = {"data.pkl": b"\x80\x02}.", "data/0": bytes(9), "version": b"3"}


def write_keras(path: Path, compression: int = zipfile.ZIP_STORED, **members: Any) -> Path:
    config = b'{"layers": [%s]}' % b",".join(b"%d" % each for each in range(300))
    contents = {"config": config, "weights": b"weights" * 500, "metadata": b"{}"} | members
    names = {"config": "config.json", "weights": "model.weights.h5", "metadata": "metadata.json"}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for key, content in contents.items():
            if content:
                archive.writestr(names[key], content)
    return path


def write_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{path.stem}/{name}", content)
    return path


def write_saved_model(folder: Path, graph: bytes = SAVED_MODEL, fingerprint: bytes = b"1") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(graph)
    (folder / "fingerprint.pb").write_bytes(fingerprint)
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def refusal(path: str | Path) -> SourceModelError:
    with pytest.raises(SourceModelError) as raised:
        check_source(path)
    assert raised.value.hint
    return raised.value


@pytest.mark.parametrize(
    ("name", "content", "source_format"),
    [
        ("m.h5", HDF5, "h5"),
        ("m.HDF5", HDF5, "h5"),
        ("m.tflite", TFLITE, "tflite"),
        ("m.onnx", ONNX, "onnx"),
    ],
)
def test_a_format_is_told_by_suffix_and_first_bytes(
    name: str, content: bytes, source_format: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert check_source(tmp_path / name) == source_format


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_keras_archive_is_a_keras_archive(compression: int, tmp_path: Path) -> None:
    assert check_source(write_keras(tmp_path / "m.keras", compression)) == "keras"


@pytest.mark.parametrize(
    ("name", "members", "source_format"),
    [
        ("m.pt2", EXPORTED, "torch-export"),
        ("m.pt", EXPORTED, "torch-export"),
        ("m.pt", SCRIPT, "torchscript"),
        ("m.PTH", SCRIPT, "torchscript"),
    ],
)
def test_an_archive_of_pytorch_is_told_by_its_members(
    name: str, members: Mapping[str, bytes], source_format: str, tmp_path: Path
) -> None:
    assert check_source(write_archive(tmp_path / name, members)) == source_format


def test_a_folder_with_a_saved_model_is_one(tmp_path: Path) -> None:
    assert check_source(write_saved_model(tmp_path / "m")) == "saved-model"
    error = refusal(write_saved_model(tmp_path / "cut", SAVED_MODEL[:-1]))
    assert error.reference == "source-corrupt"


def test_a_function_of_a_module_is_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_source("train:build") == "torch-factory"
    assert check_source("my_models.nets:Net") == "torch-factory"
    assert source_digest("train:build", "torch-factory") is None
    for source in ("train", "train:", ":build", "train:build()", "folder/train:build"):
        assert refusal(source).reference == "source-missing", source


def test_weights_of_pytorch_without_a_structure_are_told(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"\x80\x02\x8a\nl")  # torch.save before PyTorch 1.6
    for path in (write_archive(tmp_path / "m.pth", WEIGHTS), tmp_path / "old.pt"):
        error = refusal(path)
        assert error.reference == "source-weights-only"
        assert "MODULE:FUNCTION" in error.hint


@pytest.mark.parametrize("name", ["m.pt2", "m.pt"])
def test_an_archive_that_is_none_of_pytorchs_is_refused(name: str, tmp_path: Path) -> None:
    for members in ({}, {"readme.txt": b"hello"}):
        assert refusal(write_archive(tmp_path / name, members)).reference == "source-corrupt"
    whole = write_archive(tmp_path / name, EXPORTED).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / name).write_bytes(whole[:length])
        assert refusal(tmp_path / name).reference == "source-corrupt", length


@pytest.mark.parametrize("name", ["nothing.keras", "folder.keras"])
def test_a_missing_file_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.keras").mkdir()
    assert refusal(tmp_path / name).reference == "source-missing"


@pytest.mark.parametrize("name", ["model.txt", "model.mlmodel", "model.pb", "model", ".keras"])
def test_another_format_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(HDF5)
    error = refusal(tmp_path / name)
    assert error.reference == "source-format"
    assert ".keras" in str(error.expected)


@pytest.mark.parametrize("suffix", ["keras", "h5", "tflite", "onnx"])
@pytest.mark.parametrize("content", [b"", b"\x89", b"hello, I am a text", bytes(8)])
def test_what_is_not_what_its_name_says_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content)
    error = refusal(path)
    assert error.reference == "source-corrupt"
    assert (content[:8].hex(" ") or "nothing") in str(error.received)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_that_is_cut_is_refused(compression: int, tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", compression)
    whole = path.read_bytes()
    for length in range(1, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        assert refusal(path).reference == "source-corrupt", length


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_damaged_anywhere_is_refused_or_unharmed(compression: int, tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", compression)
    whole = path.read_bytes()
    digest = source_digest(path, "keras")
    for place in range(0, len(whole), max(1, len(whole) // 400)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            check_source(path)
        except SourceModelError as error:
            assert error.reference == "source-corrupt"  # noqa: PT017  # not every byte matters
        else:
            assert source_digest(path, "keras") == digest, place


@pytest.mark.parametrize(
    ("member", "name"), [("config", "config.json"), ("weights", "model.weights.h5")]
)
def test_an_archive_without_a_part_names_it(member: str, name: str, tmp_path: Path) -> None:
    error = refusal(write_keras(tmp_path / "m.keras", **dict[str, Any]({member: b""})))
    assert error.reference == "source-corrupt"
    assert error.received == f"no {name}"


def test_what_differs_between_two_equal_trainings_does_not_change_a_digest(tmp_path: Path) -> None:
    shared = [b'{"a": 1, "shared_object_id": %d, "compile_config": {"x": %d}}' % (i, i) for i in (1, 2)]
    first, second = (
        write_keras(tmp_path / f"{index}.keras", config=config, metadata=b"saved at %d" % index)
        for index, config in enumerate(shared)
    )
    assert first.read_bytes() != second.read_bytes()
    assert source_digest(first, "keras") == source_digest(second, "keras")
    for change in ({"weights": b"other"}, {"config": b'{"a": 2}'}):
        changed = write_keras(tmp_path / "c.keras", **dict[str, Any]({"config": b'{"a": 1}'} | change))
        assert source_digest(changed, "keras") != source_digest(first, "keras")


def test_where_a_module_was_written_does_not_change_a_digest(tmp_path: Path) -> None:
    models = [b'{"target": "%s", "stack_trace": "%s"}' % each for each in ((b"a", b"1"), (b"a", b"2"))]
    first, second = (
        write_archive(tmp_path / f"{index}.pt2", EXPORTED | {"models/model.json": model})
        for index, model in enumerate(models)
    )
    assert first.read_bytes() != second.read_bytes()
    assert source_digest(first, "torch-export") == source_digest(second, "torch-export")
    other = write_archive(tmp_path / "c.pt2", EXPORTED | {"data/weights/weight_0": bytes(8)})
    assert source_digest(other, "torch-export") != source_digest(first, "torch-export")


def test_a_saved_models_digest_is_of_its_files_but_for_the_fingerprint(tmp_path: Path) -> None:
    first, second = (
        write_saved_model(tmp_path / each, fingerprint=each.encode()) for each in ("a", "b")
    )
    digest = source_digest(first, "saved-model")
    assert source_digest(second, "saved-model") == digest
    (second / "variables" / "variables.index").write_bytes(b"other")
    assert source_digest(second, "saved-model") != digest


@pytest.mark.parametrize("source_format", ["h5", "tflite", "onnx"])
def test_any_other_digest_is_the_files(source_format: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(HDF5)
    digest = source_digest(tmp_path / "m", source_format)  # type: ignore[arg-type]
    assert digest == hashlib.sha256(HDF5).hexdigest()
