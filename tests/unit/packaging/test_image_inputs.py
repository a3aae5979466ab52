"""Tags, times and labels of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from liteship.artifact import Artifact
from liteship.errors import ConfigurationError
from liteship.packaging.image_inputs import checked_reference, image_labels, read_created_s
from liteship.project import load_function

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ("digits", "digits:latest"),
        ("liteship/digits:v1", "liteship/digits:v1"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"),
        ("Registry.example.com/a__b/c-d:V1.0_x", "Registry.example.com/a__b/c-d:V1.0_x"),
    ],
)
def test_a_reference_always_has_a_tag(given: str, checked: str) -> None:
    assert checked_reference(given) == checked


@pytest.mark.parametrize("given", ["", "Digits:v1", "digits:", "a b", "-digits", "digits@sha256:00"])
def test_a_name_that_no_image_can_have_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        checked_reference(given)
    assert raised.value.reference == "image-tag"
    assert repr(given) in str(raised.value)


def test_the_time_is_the_environments_or_1980(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert read_created_s() == 315_532_800
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert read_created_s() == 1_700_000_000
    for wrong in ("", "yesterday", "-1", "1.5", "99999999999"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(ConfigurationError) as raised:
            read_created_s()
        assert raised.value.reference == "source-date-epoch"


def test_labels_tell_function_version_and_model(artifact_folder: Path) -> None:
    manifest = Artifact.load(artifact_folder).manifest
    labels = image_labels(load_function("digits", ROOT))
    assert labels["liteship.function"] == "digits"
    assert labels["liteship.version"] == manifest.version
    assert labels["liteship.model.sha256"] == manifest.sha256
    assert len(labels["liteship.manifest.sha256"]) == len(manifest.sha256)
