"""The software bill of materials of what is shipped: CycloneDX 1.6, as JSON.

What the code depends on, the model, liteship itself, and an image's base; `liteship.packaging.bom`
writes the document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import liteship
from liteship.artifact.folder import MODEL_FILE
from liteship.files import replace_file
from liteship.packaging.bom import cyclonedx_document
from liteship.packaging.components import Component, layer_components
from liteship.packaging.image_inputs import default_base_image
from liteship.packaging.layers import build_layers
from liteship.packaging.shipped_models import shipped_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from liteship.project import FunctionFolder

FILE = "sbom.cdx.json"
"""CycloneDX's own name for such files (https://cyclonedx.org/specification/overview/)."""

IMAGE_LAYERS = ("litert", "image", "web", "aws")
"""What functions/Dockerfile copies into every image."""


@dataclass(frozen=True, kw_only=True)
class Sbom:
    """A bill of materials on disk.

    Attributes:
        path: The CycloneDX document.
        components: What it lists, parts of components inside these.
    """

    path: Path
    components: tuple[Component, ...]

    def everything(self) -> Iterator[Component]:
        """Every component, and then its parts."""
        for each in self.components:
            yield each
            yield from each.parts


def write_zip_sbom(path: Path, function: FunctionFolder, layers: Mapping[str, Path]) -> Sbom:
    """Lists what a zip function and the layers that it attaches hold.

    Args:
        path: Where the document goes.
        function: The function.
        layers: The built layers that are uploaded, by name: what Lambda's runtime brings is not.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
        PackagingError: As `layer_components`.
        ConfigurationError: `source-date-epoch`.
    """
    own = [liteship_component(), *model_components(function)]
    config = function.config
    return write_sbom(path, name=config.name, version=config.version, python_folders=layers, extra=own)


def package_image_sbom(function: FunctionFolder, base_image: str | None = None) -> Path:
    """Writes the bill of materials of a function's image below `build/NAME/PYTHON-ARCHITECTURE/image/`.

    It is read from layers built here: the image's own come from the same locked requirements.

    Args:
        function: The function.
        base_image: Its image's base; AWS' image for its Python by default.

    Returns:
        The document.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
        PackagingError: `layer-missing`, `layer-failed`; as `layer_components`.
        ConfigurationError: `source-date-epoch`.
    """
    name, runtime = function.config.name, function.config.runtime
    layers = build_layers(
        function.root, IMAGE_LAYERS, python=runtime.python, architecture=runtime.architecture
    )
    target = f"{runtime.python}-{runtime.architecture}"
    path = function.root / "build" / name / target / "image" / FILE
    base_image = base_image or default_base_image(runtime.python)
    return write_image_sbom(path, function, layers, base_image=base_image).path


def write_image_sbom(
    path: Path, function: FunctionFolder, layers: Mapping[str, Path], *, base_image: str
) -> Sbom:
    """Lists what an image holds; of the base image, that it is one: its maker lists its contents.

    Args:
        path: Where the document goes.
        function: The function.
        layers: Every layer in the image, by name: its folder on `PYTHONPATH`.
        base_image: Its reference, by tag or by digest.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
        PackagingError: As `layer_components`.
        ConfigurationError: `source-date-epoch`.
    """
    own = [liteship_component(), *model_components(function), base_component(base_image)]
    config = function.config
    return write_sbom(
        path,
        name=config.name,
        version=config.version,
        python_folders=layers,
        extra=own,
        is_image=True,
    )


def write_sbom(
    path: Path,
    *,
    name: str,
    version: str,
    python_folders: Mapping[str, Path],
    extra: Iterable[Component] = (),
    is_image: bool = False,
) -> Sbom:
    """Writes one document, whole or not at all.

    Args:
        path: Where it goes.
        name: What is shipped.
        version: Its version.
        python_folders: Built layers by name.
        extra: What else is in it.
        is_image: Whether it is a container image.

    Raises:
        PackagingError: As `layer_components`.
        ConfigurationError: `source-date-epoch`.
    """
    layers = (
        each for layer, folder in python_folders.items() for each in layer_components(layer, folder)
    )
    components = (*extra, *layers)
    document = cyclonedx_document(name, version, components, is_image=is_image)
    replace_file(path, document.encode())
    return Sbom(path=path, components=components)


def liteship_component() -> Component:
    """The run half of liteship, which is shipped beside the function's code."""
    return Component(
        kind="library",
        name="liteship",
        version=liteship.__version__,
        licence="Apache-2.0",
        source="code",
        purl=f"pkg:pypi/liteship@{liteship.__version__}",
    )


def model_components(function: FunctionFolder) -> list[Component]:
    """Each model; its licence is its owner's to know.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
        PackagingError: `models-invalid`.
    """
    return [
        Component(
            kind="machine-learning-model",
            name=manifest.name,
            version=manifest.version,
            licence=None,
            source="model",
            path=f"{place}/{MODEL_FILE}",
            sha256=manifest.sha256,
        )
        for place, manifest in shipped_models(function.folder).items()
    ]


def base_component(reference: str) -> Component:
    """The image that the function's image stands on.

    Args:
        reference: Such as `public.ecr.aws/lambda/python:3.13`, or `NAME@sha256:…`.
    """
    name, at, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a port's colon, or none
        repository, tag = name, "latest"
    return Component(
        kind="container",
        name=repository,
        version=digest if at else tag,
        licence=None,
        source="base",
        sha256=digest.removeprefix("sha256:") or None,
    )
