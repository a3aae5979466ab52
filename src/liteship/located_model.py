"""An artifact that is not in the image: its place, and the digest that it is loaded by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.artifact.folder import MANIFEST_FILE, read_manifest
from liteship.errors import ArtifactError
from liteship.runtime.settings import S3

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LocatedModel:
    """What a deployed function is told.

    Attributes:
        place: Folder or `s3://` address of the artifact's files.
        manifest_sha256: Digest of its `model.json`, which pins the other files.
        size_bytes: Of `model.tflite`.
    """

    place: str
    manifest_sha256: str
    size_bytes: int

    @property
    def is_in_s3(self) -> bool:
        """Whether it is downloaded; else it is mounted."""
        return self.place.startswith(S3)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for `liteship.runtime.settings`."""
        return {"LITESHIP_MODEL": self.place, "LITESHIP_MODEL_SHA256": self.manifest_sha256}


def place_of(location: str, name: str, version: str) -> str:
    """Where below a location the files of one version are."""
    return f"{location}/{name}/{version}"


def locate(location: str, name: str, version: str, folder: Path | None) -> LocatedModel:
    """Reads which artifact the project has.

    Args:
        location: `model.location`.
        name: The function's.
        version: As function.toml says.
        folder: The project's artifact, of which only `model.json` is read.

    Raises:
        ArtifactError: `artifact-missing`; `artifact-version` for one of another version;
            `manifest-json`, `manifest-schema`, `manifest-invalid`.
    """
    hint = f"convert the model first: liteship convert {name}"
    path = folder / MANIFEST_FILE if folder is not None else None
    if path is None or not path.is_file():
        raise ArtifactError(
            "artifact-missing",
            f"there is no artifact of {name}, so it is not known which one to load from {location}",
            expected=str(path),
            hint=hint,
        )
    content = path.read_bytes()
    manifest = read_manifest(content, str(path))
    if (manifest.name, manifest.version) != (name, version):
        raise ArtifactError(
            "artifact-version",
            f"{path} is not of the version that function.toml names",
            expected=f"{name} version {version}",
            received=f"{manifest.name} version {manifest.version}",
            hint=hint,
        )
    return LocatedModel(
        place=place_of(location, name, version),
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=manifest.size_bytes,
    )
