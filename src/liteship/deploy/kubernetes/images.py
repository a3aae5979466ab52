"""`knative/images/kustomization.yaml`: the one rendered file in which people write.

A digest is known only after a push, and belongs neither into `function.toml` nor into a manifest
that is rendered from it. So the manifests name an image after its function, and this kustomize
component says where that is. Rendering keeps what it says, adds new functions and drops those that are
gone.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import yaml

from liteship.errors import ConfigurationError
from liteship.files import replace_file
from liteship.packaging.image_inputs import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

KEYS = ("newName", "newTag", "digest")

EXAMPLE_REGISTRY = "registry.example.com"

NO_DIGEST = f"sha256:{'0' * 64}"
"""Until there is a real one: a cluster that is given it says that there is no such image."""

IMAGE_UNSET = (
    "There is no such image yet: give --image, or build one that knative/images then names, with "
    "liteship package NAME --as image --tag REGISTRY/NAME:TAG --push"
)
"""Said where manifests are printed all the same."""

HEADING = """\
# Where the images are. This file is yours: `liteship render` only keeps one entry a function in it.
#
#     cd knative/images && kustomize edit set image digits=registry.example.com/digits@sha256:...
#
# By digest, as `docker push` prints it: a tag may name another image tomorrow.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
"""


def chosen_image(root: Path, name: str, image: str | None) -> str:
    """The image that is to run, `NAME@DIGEST` or `NAME:TAG`.

    Args:
        root: The project's folder.
        name: The function.
        image: What was asked for; None for what `knative/images` says.

    Raises:
        ConfigurationError: `image-invalid`, `images-invalid`.
    """
    if image is None:
        return image_of(root, name)
    if not _can_be_an_image(image):
        raise ConfigurationError(
            "image-invalid",
            "--image is no name that an image can have",
            expected=f"{EXAMPLE_REGISTRY}/{name}@sha256:… with 64 hexadecimal digits, or "
            f"{EXAMPLE_REGISTRY}/{name}:v1",
            received=repr(image),
            hint="give the whole reference, as docker push or crane digest prints it",
        )
    return image


def images_path(root: Path) -> Path:
    """The file's place in a project."""
    return root / "knative" / "images" / "kustomization.yaml"


def images_file(
    path: Path, names: Iterable[str], changed: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """What the file should hold.

    Args:
        path: The file as it is now; it may be missing.
        names: The project's functions.
        changed: Entries by function that replace what the file says.

    Raises:
        ConfigurationError: `images-invalid`.
    """
    present = {**_read(path), **(changed or {})}
    lines = []
    for name in names:
        entry = present.get(name) or {
            "newName": f"{EXAMPLE_REGISTRY}/{name}",
            "digest": NO_DIGEST,
        }
        lines.append(f"  - name: {scalar(name)}\n")
        lines += [f"    {key}: {scalar(entry[key])}\n" for key in KEYS if key in entry]
    return HEADING + "".join(lines)


def image_of(root: Path, name: str) -> str:
    """Where a function's image is, as `knative/images` says: `NAME@DIGEST` or `NAME:TAG`.

    Args:
        root: The project's folder.
        name: The function.

    Raises:
        ConfigurationError: `images-invalid`.
    """
    entry = _read(images_path(root)).get(name) or {}
    place = entry.get("newName", f"{EXAMPLE_REGISTRY}/{name}")
    if "newTag" in entry and "digest" not in entry:
        image = f"{place}:{entry['newTag']}"
    else:
        image = f"{place}@{entry.get('digest', NO_DIGEST)}"
    if not _can_be_an_image(image):
        raise ConfigurationError(
            "images-invalid",
            f"{images_path(root)} gives {name} a name that no image can have",
            expected="newName without tag, and digest: sha256:… with 64 hexadecimal digits, or newTag",
            received=image,
            hint="correct its entry",
        )
    return image


def set_image(root: Path, names: Iterable[str], name: str, image: str) -> bool:
    """Says in `knative/images` where a function's image is; the other entries stay as they are.

    Args:
        root: The project's folder.
        names: The project's functions, as rendering orders them.
        name: The function.
        image: `PLACE@sha256:…` or `PLACE:TAG`.

    Returns:
        Whether the file has changed.

    Raises:
        ConfigurationError: `images-invalid`.
    """
    place, at, digest = image.partition("@")
    if at:
        entry = {"newName": place, "digest": digest}
    else:
        place, _, tag = image.rpartition(":")
        entry = {"newName": place, "newTag": tag}
    path = images_path(root)
    content = images_file(path, names, {name: entry}).encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    replace_file(path, content)
    return True


def _can_be_an_image(image: str) -> bool:
    place, at, digest = image.partition("@")
    return is_reference(place) and (not at or re.fullmatch("sha256:[0-9a-f]{64}", digest) is not None)


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = content["images"] or []
        read = {entry["name"]: {key: entry[key] for key in KEYS if key in entry} for entry in entries}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigurationError(
            "images-invalid",
            f"{path} cannot be read",
            expected="a kustomize component with images: name, newName, newTag or digest",
            received=" ".join(str(error).split()) or type(error).__name__,
            hint="correct it, or delete it and run: liteship render",
        ) from error
    return read


def scalar(value: object) -> str:
    """A value as YAML reads it back as text: `no` would be false, and a tag such as 1.0 a number."""
    text = str(value)
    return text if yaml.safe_load(text) == text else json.dumps(text)
