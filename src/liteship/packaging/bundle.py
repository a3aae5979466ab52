"""A function's own code: its modules, its artifact, and liteship's run half.

    python3 -m liteship.packaging.bundle functions/digits --output DIR

Runs on a bare Python, where `sam build` and an image's build stage call it: at most the run half is
imported here. Dependencies are not its business; they come as layers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import liteship
from liteship.artifact.folder import MANIFEST_FILE, MODEL_FILE
from liteship.errors import LiteshipError, PackagingError
from liteship.packaging.pipelines import TRAINING, require_pipelines
from liteship.packaging.shipped_models import shipped_models

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_HALF = ("__init__.py", "errors.py", "files.py", "quantization.py", "artifact", "runtime")
"""What of liteship is shipped; tests/architecture holds it to importing nothing else."""

SHIPPED = {".py", ".html"}

RUNS_AT = "/var/task"
"""Where Lambda unpacks a function, and where the image keeps it: byte code names its source's path
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, LAMBDA_TASK_ROOT)."""

EPOCH_S = 315_532_800
"""1980-01-01, the earliest time that a zip file can carry: every file's modification time."""


def bundle(folder: Path, output: Path, python: str | None = None) -> list[Path]:
    """Writes a function's modules, `model/` and `liteship/` into a folder, whole or not at all.

    Its modules are `app.py` and what lies beside it, `train.py` apart; of each model its
    artifact's files.

    The same inputs give the same bytes.

    Args:
        folder: The function's, such as `functions/digits`.
        output: Created where it is missing; only these entries of it are replaced.
        python: The target's version, such as `3.13`; where the running interpreter is that version,
            byte code is compiled. None is the running interpreter's own.

    Returns:
        The entries written: these, and `__pycache__` where there is byte code.

    Raises:
        PackagingError: `function-code-missing`, `pipeline-invalid`, `bundle-unwritable`; as
            `shipped_models`.
        ArtifactError: The artifact is missing, damaged or not whole.
    """
    app = folder / "app.py"
    if not app.is_file():
        raise PackagingError(
            "function-code-missing",
            f"there is no {app}",
            expected="a module that creates handler = Function(__file__)",
            hint="copy the app.py of another function",
        )
    models = shipped_models(folder)
    require_pipelines(folder, models.values())
    staging = output / f".bundle.{os.getpid()}.new"
    try:
        staging.mkdir(parents=True)
        for module in sorted(folder.glob("*.py")):
            if module.name != TRAINING:
                shutil.copyfile(module, staging / module.name)
        for place, manifest in models.items():
            (staging / place).mkdir(parents=True)
            for name in (MODEL_FILE, MANIFEST_FILE, manifest.golden.file):
                shutil.copyfile(folder / place / name, staging / place / name)
        copy_run_half(staging / "liteship")
        if python in {None, f"{sys.version_info[0]}.{sys.version_info[1]}"}:
            compile_bytecode(staging)
        normalise(staging)
        return [replace(entry, output / entry.name) for entry in sorted(staging.iterdir())]
    except OSError as error:
        raise PackagingError(
            "bundle-unwritable",
            f"{folder} cannot be bundled into {output}: {error}",
            hint="check the folder's permissions and the free disk space",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def copy_run_half(target: Path) -> None:
    """Copies liteship's run half, without byte code."""
    source = Path(liteship.__file__).parent
    for path in run_half():
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def run_half() -> Iterator[Path]:
    """The files of liteship that are shipped: sources, and the pages that they serve."""
    for name in RUN_HALF:
        path = Path(liteship.__file__).with_name(name)
        if path.is_file():
            yield path
        yield from sorted(each for each in path.rglob("*") if each.suffix in SHIPPED)


def compile_bytecode(root: Path) -> None:
    """Compiles byte code that is used without a look at its source.

    A time-stamped `.pyc` is stale after packaging, and a read-only file system then compiles again
    at every cold start (https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation).

    Raises:
        PackagingError: `function-code-broken` for code that does not compile.
    """
    # In a process of its own: byte code differs with what else a process has loaded
    # (https://bugs.python.org/issue34093).
    compiling = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "compileall", "-q"),
            *("--invalidation-mode", "unchecked-hash", "-s", root, "-p", RUNS_AT, root),
        ],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if compiling.returncode != 0:
        raise PackagingError(
            "function-code-broken",
            "the function's code does not compile",
            problems=compiling.stdout.replace(f"{root}{os.sep}", "").splitlines(),
            hint="correct the line that is shown above",
        )


def normalise(root: Path) -> None:
    """Gives every file and folder the same permissions and time: the same inputs, the same bytes."""
    for path in [*root.rglob("*"), root]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH_S, EPOCH_S))


def replace(entry: Path, target: Path) -> Path:
    """Moves a file or folder to where an older one may be."""
    remove(target)
    return entry.replace(target)


def remove(entry: Path) -> None:
    """Deletes a file or folder, if it is there."""
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the function's, such as functions/digits")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--python", help="compile byte code only where this is the running version")
    options = parser.parse_args()
    try:
        entries = bundle(options.folder, options.output, options.python)
    except LiteshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"bundle {options.folder.name}: {', '.join(map(str, entries))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
