from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from liteship.errors import ArtifactError
from liteship.located_model import locate
from liteship.runtime.settings import Settings

LOCATION = "s3://bucket/models"


def test_it_is_below_its_name_and_version_and_pinned_by_its_manifest(artifact_folder: Path) -> None:
    manifest = (artifact_folder / "model.json").read_bytes()
    model = locate(LOCATION, "digits", "1", artifact_folder)
    assert model.place == "s3://bucket/models/digits/1"
    assert model.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    assert model.size_bytes == (artifact_folder / "model.tflite").stat().st_size
    assert model.is_in_s3
    assert not locate("/mnt/models", "digits", "1", artifact_folder).is_in_s3


def test_the_runtime_reads_what_it_says(artifact_folder: Path) -> None:
    model = locate(LOCATION, "digits", "1", artifact_folder)
    settings = Settings(model.environment)
    assert (settings.model, settings.model_sha256) == (model.place, model.manifest_sha256)


def test_only_the_manifest_is_needed(artifact_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes((artifact_folder / "model.json").read_bytes())
    assert locate(LOCATION, "digits", "1", tmp_path) == locate(LOCATION, "digits", "1", artifact_folder)


@pytest.mark.parametrize("changed", [{"version": "2"}, {"name": "wine"}])
def test_an_older_or_foreign_artifact_is_refused(
    artifact_folder: Path, tmp_path: Path, changed: dict[str, str]
) -> None:
    content = json.loads((artifact_folder / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | changed))
    with pytest.raises(ArtifactError) as raised:
        locate(LOCATION, "digits", "1", tmp_path)
    assert raised.value.reference == "artifact-version"
    assert "liteship convert digits" in raised.value.hint


@pytest.mark.parametrize("folder", [None, Path("/nonexistent")])
def test_without_an_artifact_it_is_not_known(folder: Path | None) -> None:
    with pytest.raises(ArtifactError) as raised:
        locate(LOCATION, "digits", "1", folder)
    assert raised.value.reference == "artifact-missing"
