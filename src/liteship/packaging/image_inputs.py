"""What an image gets beside its files: a name, a time, and labels that tell what it was built of."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from liteship.artifact.folder import MANIFEST_FILE, Artifact
from liteship.errors import ConfigurationError
from liteship.packaging.bundle import EPOCH_S
from liteship.packaging.shipped_models import shipped_models

if TYPE_CHECKING:
    from liteship.artifact import Manifest
    from liteship.project import FunctionFolder

MODEL_LABEL, MANIFEST_LABEL = "liteship.model.sha256", "liteship.manifest.sha256"
"""Labels: the digests of model.tflite and of model.json, which may change alone."""

MODELS_LABEL = "liteship.models.sha256"
"""Label of a function with several: a digest of every model.json."""

# https://github.com/distribution/reference/blob/main/regexp.go
_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)


def default_base_image(python: str) -> str:
    """AWS' own image for a Python (https://docs.aws.amazon.com/lambda/latest/dg/python-image.html)."""
    return f"public.ecr.aws/lambda/python:{python}"


def image_labels(function: FunctionFolder) -> dict[str, str]:
    """The function's name, its model's version and digests.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
    """
    manifest = Artifact.load(function.model_folder).manifest
    return {
        "liteship.function": function.config.name,
        "liteship.version": manifest.version,
        **_digests(function, manifest),
    }


def model_labels(function: FunctionFolder) -> dict[str, str]:
    """The labels that tell one model from another.

    Raises:
        ArtifactError: The artifact is missing, damaged or not whole.
    """
    return _digests(function, Artifact.load(function.model_folder).manifest)


def _digests(function: FunctionFolder, manifest: Manifest) -> dict[str, str]:
    labels = {
        MODEL_LABEL: manifest.sha256,
        MANIFEST_LABEL: _digest((function.model_folder / MANIFEST_FILE).read_bytes()),
    }
    if function.config.models is not None:
        places = sorted(shipped_models(function.folder))
        lines = [
            f"{place} {_digest((function.folder / place / MANIFEST_FILE).read_bytes())}\n"
            for place in places
        ]
        labels[MODELS_LABEL] = _digest("".join(lines).encode())
    return labels


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_created_s() -> int:
    """SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), or 1980-01-01.

    Raises:
        ConfigurationError: `source-date-epoch`.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", str(EPOCH_S))
    if not re.fullmatch(r"\d{1,10}", text):
        raise ConfigurationError(
            "source-date-epoch",
            "the environment variable SOURCE_DATE_EPOCH is not a time",
            expected="whole seconds since 1970, such as 1700000000",
            received=repr(text),
            hint="correct it, or unset it",
        )
    return int(text)


def is_reference(text: str) -> bool:
    """Whether an image can be called so, with a tag or without; a digest is none of its parts."""
    return _REFERENCE.fullmatch(text) is not None


def checked_reference(reference: str) -> str:
    """The reference with a tag, `latest` where it has none.

    Raises:
        ConfigurationError: `image-tag`.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ConfigurationError(
            "image-tag",
            "this is no name that an image can have",
            expected="repository:tag in lower case, such as registry.example.com/digits:v1",
            received=repr(reference),
            hint="choose another --tag",
        )
    return reference if match["tag"] else f"{reference}:latest"
