"""Builds a function's container image, and makes it the same wherever and whenever it is built."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from liteship.errors import PackagingError
from liteship.files import replace_file
from liteship.packaging import docker
from liteship.packaging.image_inputs import (
    checked_reference,
    default_base_image,
    image_labels,
    model_labels,
    read_created_s,
)
from liteship.packaging.oci import RewrittenImage, rewrite_image

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.project import FunctionFolder


@dataclass(frozen=True, kw_only=True)
class ImageLayer:
    """One layer of an image.

    Attributes:
        digest: `sha256:…` of its uncompressed tar file.
        size_bytes: Of that file.
        holds: What, in words.
        changed: Whether the last package of this function did not have it.
        is_base: Whether the base image brought it.
    """

    digest: str
    size_bytes: int
    holds: str
    changed: bool
    is_base: bool


@dataclass(frozen=True, kw_only=True)
class ImagePackage:
    """A function's image in the local engine.

    Attributes:
        name: The function's.
        reference: `repository:tag`.
        digest: `sha256:…`, the image's id: the same inputs give the same.
        architecture: Lambda's name of it.
        python: The version that it is built for, such as `3.13`.
        size_bytes: Of all layers, uncompressed.
        layers: From the bottom up.
    """

    name: str
    reference: str
    digest: str
    architecture: str
    python: str
    size_bytes: int
    layers: tuple[ImageLayer, ...]


def package_image(
    function: FunctionFolder,
    *,
    base_image: str | None = None,
    build_image: str | None = None,
    tag: str | None = None,
    no_cache: bool = False,
) -> ImagePackage:
    """Builds `functions/Dockerfile` for one function and rewrites the image; see `normalise_image`.

    Args:
        function: What to build.
        base_image: What the function runs on; AWS' image for its Python by default.
        build_image: What the build runs on: the same Python, with pip, for this machine's processor.
            The base image by default.
        tag: `repository:tag`; `liteship/NAME:vVERSION` by default.
        no_cache: Build every step again.

    Raises:
        PackagingError: `docker-missing`, `docker-unreachable`, `base-image-missing`,
            `image-build-failed`, `image-unwritable`, `image-refused`.
        ArtifactError: The artifact is missing, damaged or not whole.
        ConfigurationError: `image-tag`, `source-date-epoch`.
    """
    config = function.config
    reference = checked_reference(tag or f"liteship/{config.name}:v{config.version}")
    labels, created_s = image_labels(function), read_created_s()
    builds_on = docker.require_engine()
    machine = docker.MACHINES[config.runtime.architecture]
    base_image = base_image or default_base_image(config.runtime.python)
    arguments = {
        "FUNCTION": config.name,
        "PYTHON": config.runtime.python,
        "ARCHITECTURE": config.runtime.architecture,
        "BASE_IMAGE": base_image,
        "BUILD_IMAGE": build_image or base_image,
        "BUILD_PLATFORM": builds_on,
    }
    option = "--build-image IMAGE" if build_image else "--base-image IMAGE"
    docker.require_image(arguments["BUILD_IMAGE"], builds_on, option)
    docker.require_image(base_image, f"linux/{machine}", "--base-image IMAGE")
    unfinished = f"liteship/{config.name}:unfinished-{os.getpid()}"
    try:
        docker.build_image(function.root, unfinished, arguments, f"linux/{machine}", no_cache=no_cache)
        image = _rewrite(unfinished, reference, function, labels, created_s)
    finally:
        docker.remove_tag(unfinished)
    return _package(function, reference, image)


def normalise_image(reference: str, function: FunctionFolder) -> str:
    """Rewrites an image that `functions/Dockerfile` built, by whatever builder, and moves its tag.

    Everything above the base image's layers gets one time (SOURCE_DATE_EPOCH, 1980-01-01 by default),
    one owner and one order; the configuration loses what tells one build from another, and gains labels
    that tell the function, the model's version and its digest. Doing it again changes nothing.

    Args:
        reference: The image's `repository:tag`.
        function: What it was built of.

    Returns:
        The new image's id, `sha256:…`.

    Raises:
        PackagingError: `image-missing`, `image-foreign`, `image-unwritable`, `image-refused`.
        ArtifactError, ConfigurationError: As `package_image`.
    """
    reference = checked_reference(reference)
    labels, created_s = image_labels(function), read_created_s()
    docker.require_engine()
    before = _require_local(reference, function)
    image = _rewrite(reference, reference, function, labels, created_s)
    after = docker.inspect_image(before["Id"])
    if after is not None and not after["RepoTags"]:
        docker.remove_tag(before["Id"])
    return image.digest


def require_fresh(function: FunctionFolder, reference: str) -> None:
    """Refuses an image that holds another model than the function's folder does now.

    Raises:
        PackagingError: `image-stale`; `image-missing`.
        ArtifactError: The artifact is missing, damaged or not whole.
    """
    labels = _require_local(reference, function)["Config"].get("Labels") or {}
    for label, wanted in model_labels(function).items():
        if labels.get(label) != wanted:
            raise PackagingError(
                "image-stale",
                f"the image {reference} holds another model than {function.model_folder}",
                expected=f"{label} {wanted}",
                received=labels.get(label, "no such label"),
                hint=f"build it again: liteship package {function.config.name} --as image",
            )


def _require_local(reference: str, function: FunctionFolder) -> dict[str, Any]:
    image = docker.inspect_image(reference)
    if image is None:
        raise PackagingError(
            "image-missing",
            f"the Docker engine has no image {reference}",
            hint=f"build it: liteship package {function.config.name} --as image",
        )
    return image


def _rewrite(
    source: str, reference: str, function: FunctionFolder, labels: dict[str, str], created_s: int
) -> RewrittenImage:
    folder = function.root / "build" / function.config.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".image-", dir=folder) as scratch,
            tempfile.TemporaryFile(dir=folder) as spare,
        ):
            archive = folder / scratch / "image.tar"
            docker.save_image(source, archive)

            def write(output: IO[bytes]) -> RewrittenImage:
                return rewrite_image(
                    archive, output, spare, reference=reference, labels=labels, created_s=created_s
                )

            image = docker.load_image(write)
            # An engine with containerd's image store calls it by its manifest's digest instead
            return replace(image, digest=_require_local(reference, function)["Id"])
    except OSError as error:
        raise PackagingError(
            "image-unwritable",
            f"the image cannot be rewritten in {folder}: {error}",
            hint="check the folder's permissions and the free disk space",
        ) from error


def _package(function: FunctionFolder, reference: str, image: RewrittenImage) -> ImagePackage:
    """The image as a package, compared with the last one, in whose place it is remembered."""
    config = function.config
    state = function.root / "build" / config.name / "image.json"
    earlier = _read_digests(state)
    architectures = {machine: name for name, machine in docker.MACHINES.items()}
    layers = tuple(
        ImageLayer(
            digest=layer.digest,
            size_bytes=layer.size_bytes,
            holds=layer.holds,
            changed=layer.digest not in earlier,
            is_base=layer.is_base,
        )
        for layer in image.layers
    )
    remembered = {
        "reference": reference,
        "digest": image.digest,
        "layers": [layer.digest for layer in layers],
    }
    replace_file(state, json.dumps(remembered, indent=2).encode() + b"\n")
    return ImagePackage(
        name=config.name,
        reference=reference,
        digest=image.digest,
        architecture=architectures.get(image.architecture, image.architecture),
        python=config.runtime.python,
        size_bytes=sum(layer.size_bytes for layer in layers),
        layers=layers,
    )


def _read_digests(state: Path) -> set[str]:
    """The layers of the last package; none where there was none, or nobody can tell."""
    try:
        return set(json.loads(state.read_bytes())["layers"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()
