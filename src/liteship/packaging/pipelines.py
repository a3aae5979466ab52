"""Whether the steps of a function's pipelines will be there, and can follow one another.

Runs on a bare Python, as `liteship.packaging.bundle` does: the code of a step is looked at, not run.
"""

from __future__ import annotations

import symtable
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING

from liteship.artifact.folder import MANIFEST_FILE, read_manifest
from liteship.errors import LiteshipError, PackagingError
from liteship.runtime.joining import join_problems
from liteship.runtime.pipeline_steps import CodeStep, declare

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.pipeline_steps import ModelStep

SETTINGS = "function.toml"

TRAINING = "train"
"""The one module of a function that is never shipped."""


def require_pipelines(folder: Path, own: Manifest) -> None:
    """Checks `[pipelines]` of a function against its modules and its models.

    A model without a version is checked where the function has one version of it: labels and the
    default version are the runtime's to resolve.

    Args:
        folder: The function's.
        own: Its own model's manifest.

    Raises:
        PackagingError: `pipeline-invalid`, with every problem found.
    """
    path = folder / SETTINGS
    content = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    problems: list[str] = []
    for name, declaration in declare(content.get("pipelines", {}), problems, own.name).items():
        found: list[Manifest | None] = []
        for step in declaration.steps:
            try:
                if isinstance(step, CodeStep):
                    _require_code(folder, step)
                    found.append(None)
                else:
                    found.append(_find_manifest(folder / "model", step, own))
            except LiteshipError as error:
                problems.append(f"{name}: {error.message}")
                found.append(None)
        for first, second in pairwise(found):
            if first is not None and second is not None:
                problems += [f"{name}: {problem}" for problem in join_problems(first, second)]
    if problems:
        raise PackagingError(
            "pipeline-invalid",
            f"the pipelines of {path} cannot answer",
            problems=problems,
            hint="correct every line listed; docs/guides/pipelines.md explains the steps",
        )


def _require_code(folder: Path, step: CodeStep) -> None:
    path = folder / f"{step.module}.py"
    if step.module == TRAINING or not path.is_file():
        raise _missing(f"step {step.text}: no module {step.module} is shipped beside app.py")
    try:
        symbols = symtable.symtable(path.read_text(encoding="utf-8"), str(path), "exec").get_symbols()
    except (SyntaxError, ValueError) as error:
        raise _missing(f"step {step.text}: {path.name} does not compile: {error}") from error
    names = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    if step.name not in names:
        raise _missing(f"step {step.text}: {path.name} defines no {step.name}")


def _find_manifest(models: Path, step: ModelStep, own: Manifest) -> Manifest | None:
    """The manifest of a step's model; None where only the runtime knows which version it is."""
    if step.name == own.name and step.version in {"", own.version}:
        return None if step.label else own
    versions = sorted(path.parent for path in models.glob(f"{step.name}/*/{MANIFEST_FILE}"))
    if step.version:
        versions = [each for each in versions if each.name == step.version]
    if not versions:
        raise _missing(f"step {step.text}: there is no such model in {models}")
    if len(versions) > 1:
        return None
    path = versions[0] / MANIFEST_FILE
    return read_manifest(path.read_bytes(), str(path))


def _missing(message: str) -> PackagingError:
    return PackagingError("pipeline-invalid", message, hint="correct the step")
