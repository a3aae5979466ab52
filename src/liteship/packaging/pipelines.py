"""Whether the steps of a function's pipelines will be there, and can follow one another.

Runs on a bare Python, as `liteship.packaging.bundle` does: the code of a step is looked at, not run.
"""

from __future__ import annotations

import symtable
from itertools import pairwise
from typing import TYPE_CHECKING

from liteship.errors import LiteshipError, PackagingError
from liteship.packaging.shipped_models import read_settings
from liteship.runtime.joining import join_problems
from liteship.runtime.pipeline_steps import CodeStep, declare

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.pipeline_steps import ModelStep

TRAINING = "train.py"
"""The one module of a function that is never shipped."""


def require_pipelines(folder: Path, models: Collection[Manifest]) -> None:
    """Checks `[pipelines]` of a function against its modules and its models.

    Whether a model fits is checked where it is clear which version of it a step means: labels are the
    runtime's to resolve.

    Args:
        folder: The function's.
        models: What is shipped with it.

    Raises:
        PackagingError: `pipeline-invalid`, with every problem found; `function-toml`.
    """
    content = read_settings(folder)
    own = content.get("name", ""), content.get("version", "")
    problems: list[str] = []
    for name, declaration in declare(content.get("pipelines", {}), problems, own[0]).items():
        if name in {each.name for each in models}:
            problems.append(f"{name}: a model that is shipped has this name: choose another")
        found: list[Manifest | None] = []
        for step in declaration.steps:
            try:
                if isinstance(step, CodeStep):
                    _require_code(folder, step)
                    found.append(None)
                else:
                    found.append(_find_manifest(models, step, own))
            except LiteshipError as error:
                problems.append(f"{name}: {error.message}")
                found.append(None)
        for first, second in pairwise(found):
            if first is not None and second is not None:
                problems += [f"{name}: {problem}" for problem in join_problems(first, second)]
    if problems:
        raise PackagingError(
            "pipeline-invalid",
            f"the pipelines of {folder / 'function.toml'} cannot answer",
            problems=problems,
            hint="correct every line listed; docs/guides/pipelines.md explains the steps",
        )


def _require_code(folder: Path, step: CodeStep) -> None:
    path = folder / f"{step.module}.py"
    if path.name == TRAINING or not path.is_file():
        raise _missing(f"step {step.text}: no module {step.module} is shipped beside app.py")
    try:
        symbols = symtable.symtable(path.read_text(encoding="utf-8"), str(path), "exec").get_symbols()
    except (SyntaxError, ValueError) as error:
        raise _missing(f"step {step.text}: {path.name} does not compile: {error}") from error
    names = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    if step.name not in names:
        raise _missing(f"step {step.text}: {path.name} defines no {step.name}")


def _find_manifest(
    models: Collection[Manifest], step: ModelStep, own: tuple[str, str]
) -> Manifest | None:
    """The manifest of a step's model; None where only the runtime knows which version it is."""
    version = step.version or (own[1] if step.name == own[0] and not step.label else "")
    found = [each for each in models if each.name == step.name and version in {"", each.version}]
    if not found:
        shipped = ", ".join(f"{each.name}/{each.version}" for each in models)
        raise _missing(f"step {step.text}: no such model is shipped, only {shipped}")
    return found[0] if len(found) == 1 and not step.label else None


def _missing(message: str) -> PackagingError:
    return PackagingError("pipeline-invalid", message, hint="correct the step")
