from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest

from liteship import Artifact
from liteship.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN_BYTES = 64  # the digits model's input: 8 × 8 × 1 int8


@pytest.fixture
def folder(function_folder: Path) -> Path:
    return function_folder / "model"


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def refusal(folder: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as raised:
        Artifact.load(folder)
    return raised.value


def test_writing_what_was_read_gives_the_same_bytes(artifact_folder: Path, tmp_path: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    artifact.save(tmp_path / "a")
    Artifact.load(tmp_path / "a").save(tmp_path / "b")
    committed, first, second = map(contents, (artifact_folder, tmp_path / "a", tmp_path / "b"))
    assert first == second
    # Builds of zlib differ in what they write, not in what they read.
    golden = "golden.bin.zlib"
    assert zlib.decompress(first.pop(golden)) == zlib.decompress(committed.pop(golden))
    assert first == committed


def test_the_digest_is_that_of_the_model(artifact_folder: Path) -> None:
    artifact = Artifact.load(os.fspath(artifact_folder))
    assert artifact.manifest.sha256 == hashlib.sha256(artifact.model).hexdigest()
    assert artifact.manifest.size_bytes == len(artifact.model)
    assert [len(each) for each in artifact.golden_inputs] == [GOLDEN_BYTES]


@pytest.mark.parametrize(
    ("name", "value"), [("_LARGE_BYTES", 0), ("_LARGE_BYTES", 10**9), ("_OWN_SHA256", "no_such_module")]
)
def test_whoever_digests_finds_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(f"liteship.artifact.folder.{name}", value)
    model = Artifact.load(folder).model
    (folder / "model.tflite").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    assert refusal(folder).reference == "artifact-digest"


def test_a_digest_of_the_manifest_pins_the_artifact(folder: Path) -> None:
    manifest = folder / "model.json"
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert Artifact.load(folder, digest).manifest.name == "digits"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    assert Artifact.load(folder).manifest.name == "digits"
    with pytest.raises(ArtifactError) as raised:
        Artifact.load(folder, digest)
    assert raised.value.reference == "artifact-other"
    assert raised.value.expected == f"sha256 {digest}"
    found = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert raised.value.received == f"sha256 {found}"


def test_a_digest_that_does_not_match_is_named_with_the_other(folder: Path) -> None:
    model = folder / "model.tflite"
    expected = hashlib.sha256(model.read_bytes()).hexdigest()
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    model.write_bytes(damaged)
    error = refusal(folder)
    assert error.reference == "artifact-digest"
    assert expected in str(error)
    assert hashlib.sha256(damaged).hexdigest() in str(error)


def test_a_wrong_size_in_the_manifest_is_refused(folder: Path) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text())
    content["size_bytes"] += 1
    path.write_text(json.dumps(content))
    error = refusal(folder)
    assert error.reference == "artifact-digest"


@pytest.mark.parametrize("name", ["model.json", "model.tflite", "golden.bin.zlib"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refusal(folder)
    assert error.reference == "artifact-missing"
    assert name in error.message


def test_a_missing_folder_is_a_missing_manifest(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").reference == "artifact-missing"


def test_a_folder_where_a_file_should_be_cannot_be_read(folder: Path) -> None:
    (folder / "model.tflite").unlink()
    (folder / "model.tflite").mkdir()
    assert refusal(folder).reference == "artifact-unreadable"


WHOLE = zlib.compress(bytes(range(GOLDEN_BYTES)), 9)
GOLDEN_FILES = {
    "empty": b"",
    "not compressed": bytes(GOLDEN_BYTES),
    "too short": zlib.compress(bytes(GOLDEN_BYTES - 1)),
    "too long": zlib.compress(bytes(GOLDEN_BYTES + 1)),
    "followed by something": WHOLE + b"x",
    "wrong check sum": WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]),
}


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_a_golden_file_that_is_not_whole_is_refused(folder: Path, name: str) -> None:
    (folder / "golden.bin.zlib").write_bytes(GOLDEN_FILES[name])
    error = refusal(folder)
    assert error.reference == "artifact-golden"
    assert f"{GOLDEN_BYTES} bytes" in str(error.expected)


def test_a_golden_file_cut_anywhere_is_refused(folder: Path) -> None:
    for length in range(len(WHOLE)):
        (folder / "golden.bin.zlib").write_bytes(WHOLE[:length])
        assert refusal(folder).reference == "artifact-golden", length
    (folder / "golden.bin.zlib").write_bytes(WHOLE)
    assert Artifact.load(folder).golden_inputs == [bytes(range(GOLDEN_BYTES))]


def test_a_bomb_is_not_unpacked(folder: Path) -> None:
    import tracemalloc

    (folder / "golden.bin.zlib").write_bytes(zlib.compress(bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert refusal(folder).reference == "artifact-golden"
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5_000_000


def test_a_folder_that_cannot_be_made_is_told_plainly(artifact_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError) as raised:
        Artifact.load(artifact_folder).save(tmp_path / "file" / "model")
    assert raised.value.reference == "artifact-unwritable"
    assert raised.value.message.endswith(("File exists", "Not a directory"))


def test_an_interrupted_save_is_never_a_wrong_pair(folder: Path, tmp_path: Path) -> None:
    """A save that stops before the manifest leaves a model that `load` refuses."""
    older = Artifact.load(folder)
    (folder / "model.json").unlink()
    (folder / "model.json").mkdir()  # os.replace fails here, as on a full disk
    newer = Artifact(older.manifest, older.model + b"\0", older.golden_inputs)
    with pytest.raises(ArtifactError, match="cannot be written"):
        newer.save(folder)
    (folder / "model.json").rmdir()
    (folder / "model.json").write_text(older.manifest.to_json())
    assert refusal(folder).reference == "artifact-digest"
    assert sorted(os.listdir(folder)) == ["golden.bin.zlib", "model.json", "model.tflite"]


def test_writers_at_once_leave_one_whole_artifact(artifact_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from liteship import Artifact\n"
        "artifact = Artifact.load(sys.argv[1])\n"
        "artifact.manifest.version = sys.argv[3]\n"
        "artifact.model += bytes(int(sys.argv[3]))\n"
        "import hashlib\n"
        "artifact.manifest.sha256 = hashlib.sha256(artifact.model).hexdigest()\n"
        "artifact.manifest.size_bytes = len(artifact.model)\n"
        "for _ in range(30): artifact.save(sys.argv[2])\n"
    )
    output = tmp_path / "model"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, artifact_folder, output, str(version)])
        for version in (1, 2, 3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    manifest = Artifact.load(output).manifest
    assert manifest.version in {"1", "2", "3"}
    assert sorted(path.name for path in output.iterdir()) == sorted(
        path.name for path in artifact_folder.iterdir()
    )
