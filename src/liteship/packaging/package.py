"""Packs one function for Lambda: `function.zip`, and the web layer as `web.zip`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.packaging.archive import Content, write_zip
from liteship.packaging.bundle import bundle, remove
from liteship.packaging.layers import build_layers
from liteship.packaging.sbom import FILE, write_zip_sbom

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.project import FunctionFolder


@dataclass(frozen=True, kw_only=True)
class Part:
    """One zip file.

    Attributes:
        name: `function`, or the layer's name.
        path: The zip file.
        zipped_bytes: Its size.
        unzipped_bytes: The size of what it holds.
        contents: What it is made of.
    """

    name: str
    path: Path
    zipped_bytes: int
    unzipped_bytes: int
    contents: tuple[Content, ...]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A function ready for Lambda.

    Attributes:
        name: The function's.
        python: The version that it is packed for, such as `3.13`.
        architecture: Lambda's name of it.
        has_byte_code: Whether byte code is included. It is only where the packing Python is the
            target's version; without it, Lambda compiles the sources at every cold start.
        parts: The function, then the layers that it attaches.
        sbom: Lists what is in the parts; see `liteship.packaging.sbom`.
        python_path: Folders that, on `PYTHONPATH`, let the function run from what was packed and
            nothing else (`python -S`): its own code, its layers, and boto3 where it has an S3
            trigger, as Lambda's Python runtime brings that.
    """

    name: str
    python: str
    architecture: str
    has_byte_code: bool
    parts: tuple[Part, ...]
    sbom: Path
    python_path: tuple[Path, ...]


def package_zip(function: FunctionFolder, *, python: str | None = None) -> Package:
    """Packs a function below `build/NAME/PYTHON-ARCHITECTURE/`; the same inputs give the same bytes.

    Args:
        function: What to pack.
        python: Packs for this version instead of the one in `function.toml`: the running one, to try
            the packed function here.

    Raises:
        PackagingError: `function-code-missing`, `function-code-broken`, `pipeline-invalid`,
            `layer-missing`, `layer-failed`, `layer-unlicensed`, `bundle-unwritable`,
            `archive-collision`.
        ArtifactError: The artifact is missing, damaged or not whole.
    """
    config = function.config
    python = python or config.runtime.python
    target = f"{python}-{config.runtime.architecture}"
    folder = function.root / "build" / config.name / target
    code = bundle(function.folder, folder / "bundle", python)
    # A module that was there last time and is gone now is in no zip: it must not be importable here.
    for stale in set((folder / "bundle").iterdir()) - set(code):
        remove(stale)
    inside = ["litert", "image"] if config.input.kind == "image" else ["litert"]
    provided = ["aws"] if config.triggers.s3 is not None else []
    layers = build_layers(
        function.root,
        [*inside, "web", *provided],
        python=python,
        architecture=config.runtime.architecture,
    )
    sources = {
        "code": ("", [entry for entry in code if entry.name != "model"]),
        "model": ("", [entry for entry in code if entry.name == "model"]),
        **{name: ("", sorted(layers[name].iterdir())) for name in inside},
    }
    parts = (
        _part("function", folder / "function.zip", sources),
        _part("web", folder / "web.zip", {"web": ("python/", sorted(layers["web"].iterdir()))}),
    )
    shipped = {name: layers[name] for name in (*inside, "web")}
    return Package(
        name=config.name,
        python=python,
        architecture=config.runtime.architecture,
        has_byte_code=python == f"{sys.version_info[0]}.{sys.version_info[1]}",
        parts=parts,
        sbom=write_zip_sbom(folder / FILE, function, shipped).path,
        python_path=(folder / "bundle", *layers.values()),
    )


def _part(name: str, path: Path, sources: dict[str, tuple[str, list[Path]]]) -> Part:
    contents = write_zip(path, sources)
    return Part(
        name=name,
        path=path,
        zipped_bytes=path.stat().st_size,
        unzipped_bytes=sum(content.unzipped_bytes for content in contents),
        contents=contents,
    )
