"""The file that says where the images are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from liteship.deploy.kubernetes.images import NO_DIGEST, image_of, images_file, images_path
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, text: str) -> Path:
    path = images_path(root)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_what_people_wrote_is_kept_and_functions_come_and_go(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        """
images:
  - {name: gone, newName: example.com/gone, newTag: x}
  - {name: two, newName: example.com/two, newTag: "1.0"}
""",
    )
    text = images_file(path, ["one", "two"])
    path.write_text(text)
    assert yaml.safe_load(text)["images"] == [
        {"name": "one", "newName": "registry.example.com/one", "digest": NO_DIGEST},
        {"name": "two", "newName": "example.com/two", "newTag": "1.0"},
    ]
    assert images_file(path, ["one", "two"]) == text


def test_an_image_is_named_as_clusters_read_it(tmp_path: Path) -> None:
    assert image_of(tmp_path, "one") == f"registry.example.com/one@{NO_DIGEST}"
    put(
        tmp_path,
        """
images:
  - {name: one, newName: example.com/one, digest: "sha256:1"}
  - {name: two, newName: example.com/two, newTag: v2}
""",
    )
    assert image_of(tmp_path, "one") == "example.com/one@sha256:1"
    assert image_of(tmp_path, "two") == "example.com/two:v2"


@pytest.mark.parametrize(
    "text", ["", "images: [", "images: [one]", "images: [{newTag: x}]", "[]", "\x00"]
)
def test_what_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        images_file(put(tmp_path, text), ["one"])
    assert refused.value.reference == "images-invalid"
    assert "liteship render" in str(refused.value)
