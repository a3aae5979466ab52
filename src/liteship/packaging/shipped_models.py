"""The artifacts that a function ships: one, or a model repository; runs on a bare Python too."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from liteship.artifact.folder import MANIFEST_FILE, Artifact
from liteship.errors import ArtifactError, LiteshipError, PackagingError
from liteship.runtime.models import find_versions, require_identity
from liteship.runtime.models_setting import is_name
from liteship.runtime.settings import MODEL_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from liteship.artifact.manifest import Manifest


def shipped_models(function: Path) -> dict[str, Manifest]:
    """Loads and verifies every artifact of a function.

    Args:
        function: Its folder, such as `functions/digits`. With a section `[models]` in `function.toml`
            it has several, `model/NAME/VERSION` each; else one, in `model`.

    Returns:
        What is shipped, by the artifact's folder below the function's: `model`, or
        `model/NAME/VERSION`.

    Raises:
        ArtifactError: The only artifact is missing, damaged or not whole.
        PackagingError: `models-invalid`, with everything that is wrong with several.
    """
    config = read_settings(function)
    if "models" not in config:
        return {MODEL_FOLDER: Artifact.load(function / MODEL_FOLDER).manifest}
    manifests: dict[str, Manifest] = {}
    problems = list(_misplaced(function))
    for name, version in find_versions(str(function / MODEL_FOLDER)):
        place = f"{MODEL_FOLDER}/{name}/{version}"
        try:
            artifact = Artifact.load(function / place)
            require_identity(artifact, place, name, version)
        except ArtifactError as error:
            problems.append(_problem(place, error))
        else:
            manifests[place] = artifact.manifest
    problems += _missing(config, function)
    if problems:
        raise PackagingError(
            "models-invalid",
            f"the models of {function / MODEL_FOLDER} cannot be shipped",
            problems=problems,
            hint="correct every line listed; docs/guides/models.md tells what goes where",
        )
    return manifests


def read_settings(function: Path) -> dict[str, Any]:
    """A function's `function.toml`, as it stands there; empty where there is none.

    Whoever deploys has validated it; on a bare Python nothing can.

    Raises:
        PackagingError: `function-toml`.
    """
    try:
        return tomllib.loads((function / "function.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PackagingError(
            "function-toml",
            f"{function / 'function.toml'} cannot be read as TOML: {error}",
            hint="correct the line that the message names",
        ) from error


def _misplaced(function: Path) -> Iterator[str]:
    """Artifacts a folder too high, and folders that nobody could ask for."""
    top = function / MODEL_FOLDER
    wanted = "NAME/VERSION, as its model.json says"
    for folder in (top, *sorted(top.glob("[!.]*"))):
        if (folder / MANIFEST_FILE).is_file():
            yield f"{folder.relative_to(function)}: an artifact belongs into {MODEL_FOLDER}/{wanted}"
    for folder in sorted([*top.glob("[!.]*"), *top.glob("[!.]*/[!.]*")]):
        if folder.is_dir() and not is_name(folder.name):
            yield f"{folder.relative_to(function)}: no name of a model or version"


def _missing(config: Mapping[str, object], function: Path) -> Iterator[str]:
    """What `function.toml` names, and is not there."""
    name, version, models = config.get("name"), config.get("version"), config["models"]
    wanted = {f"{MODEL_FOLDER}/{name}/{version}": "the function's own model: liteship convert"}
    labels = models.get("labels", {}) if isinstance(models, dict) else {}
    for model, versions in labels.items():
        for label, each in versions.items():
            wanted.setdefault(f"{MODEL_FOLDER}/{model}/{each}", f"models.labels.{model}.{label}")
    for place, reason in wanted.items():
        if not (function / place / MANIFEST_FILE).is_file():
            yield f"{place}: missing ({reason})"


def _problem(place: str, error: LiteshipError) -> str:
    found = f"; expected {error.expected}, received {error.received}" if error.expected else ""
    return f"{place}: {error.message}{found}"
