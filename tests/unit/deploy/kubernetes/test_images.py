"""The file that says where the images are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from liteship.deploy.kubernetes.images import (
    NO_DIGEST,
    chosen_image,
    image_of,
    images_file,
    images_path,
    set_image,
)
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
    digest = f"sha256:{'1' * 64}"
    put(
        tmp_path,
        f"""
images:
  - {{name: one, newName: example.com/one, digest: "{digest}"}}
  - {{name: two, newName: example.com/two, newTag: v2}}
""",
    )
    assert image_of(tmp_path, "one") == f"example.com/one@{digest}"
    assert image_of(tmp_path, "two") == "example.com/two:v2"


@pytest.mark.parametrize(
    "entry",
    [
        "newName: 5, digest: 7",
        "newName: UPPER, newTag: v1",
        'newName: one, newTag: "a b"',
        "newName: ''",
    ],
)
def test_an_entry_that_names_no_image_is_refused(tmp_path: Path, entry: str) -> None:
    put(tmp_path, f"images: [{{name: one, {entry}}}]")
    with pytest.raises(ConfigurationError) as raised:
        image_of(tmp_path, "one")
    assert raised.value.reference == "images-invalid"


def test_another_image_can_be_chosen(tmp_path: Path) -> None:
    put(tmp_path, "images: [{name: one, newName: example.com/one, newTag: v2}]")
    assert chosen_image(tmp_path, "one", None) == "example.com/one:v2"
    for image in (f"127.0.0.1:5000/one@sha256:{'a' * 64}", f"e.com/one:v1@sha256:{'a' * 64}", "one"):
        assert chosen_image(tmp_path, "one", image) == image


@pytest.mark.parametrize(
    "image", ["", "a b", "UPPER:v1", "e.com/one@sha256:12", "e.com/one@", "e.com/"]
)
def test_what_no_image_can_be_called_is_refused(tmp_path: Path, image: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        chosen_image(tmp_path, "one", image)
    assert raised.value.reference == "image-invalid"


def test_one_image_is_set_and_the_others_stay(tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    entries = '{name: two, newName: example.com/two, newTag: "1.0"}, {name: one, newName: x}'
    path = put(tmp_path, f"images: [{entries}]")
    path.write_text(images_file(path, names))
    before = path.read_text()
    pushed = f"127.0.0.1:5000/team/three@sha256:{'5' * 64}"
    assert set_image(tmp_path, names, "three", pushed)
    assert image_of(tmp_path, "three") == pushed
    after = path.read_text()
    assert len(before.splitlines()) == len(after.splitlines())
    assert before.partition("  - name: three")[0] == after.partition("  - name: three")[0]
    assert not set_image(tmp_path, names, "three", pushed)
    assert path.read_text() == after == images_file(path, names)


def test_an_image_by_tag_has_no_digest_any_more(tmp_path: Path) -> None:
    """kustomize would take the digest and ignore the tag."""
    put(tmp_path, "images: [{name: one, newName: example.com/one, digest: 'sha256:1'}]")
    assert set_image(tmp_path, ["one"], "one", "dev.local/one:2")
    assert image_of(tmp_path, "one") == "dev.local/one:2"


@pytest.mark.parametrize(
    "text", ["", "images: [", "images: [one]", "images: [{newTag: x}]", "[]", "\x00"]
)
def test_what_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        images_file(put(tmp_path, text), ["one"])
    assert refused.value.reference == "images-invalid"
    assert "liteship render" in str(refused.value)
