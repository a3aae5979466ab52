"""`liteship inspect`: what an artifact holds."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Annotated

import typer

from liteship.artifact import Artifact
from liteship.cli.output import Json, print_json, print_table
from liteship.project import load_function
from liteship.runtime.models import find_versions


def command(
    target: Annotated[str, typer.Argument(help="An artifact's folder, or a function's name.")],
    json: Json = False,
) -> None:
    """Show what an artifact holds: tensors, sizes, accuracy, where it came from.

    Examples:
        liteship inspect digits

        liteship inspect functions/digits/model --json
    """
    function = None if Path(target).is_dir() else load_function(target)
    folder = Path(target) if function is None else function.model_folder
    several = function is not None and function.config.models is not None
    artifact = Artifact.load(folder)
    manifest = artifact.manifest
    zipped_bytes = len(zlib.compress(artifact.model, 9))
    if json:
        print_json(manifest.as_dict() | {"path": str(folder), "zipped_bytes": zipped_bytes})
        return
    provenance = manifest.provenance
    print_table(
        f"{manifest.name} version {manifest.version}, {manifest.scheme}",
        ("what", "value"),
        [
            *(("input", str(spec)) for spec in manifest.inputs),
            *(("output", str(spec)) for spec in manifest.outputs),
            ("model bytes", f"{manifest.size_bytes:,} ({zipped_bytes:,} zipped)"),
            ("sha256", manifest.sha256),
            ("labels", ", ".join(manifest.postprocessing.labels) or "none"),
            *((key, _flat(value)) for key, value in provenance.items()),
            *((("all models", _names(folder.parent.parent)),) if several else ()),
        ],
    )


def _names(folder: Path) -> str:
    return ", ".join(f"{name} {version}" for name, version in find_versions(str(folder)))


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)
