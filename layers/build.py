#!/usr/bin/env python3
"""Builds one dependency layer: pip's locked install, slimmed by a list that says why.

    python3 layers/build.py image --output DIR

Fills `DIR/python`, which Lambda mounts at `/opt/python`. Needs nothing but `slimming.py` beside it, the
standard library and `python -m pip`, because an image's build stage, `sam build` and `liteship package`
all run it. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from slimming import KEYS, LayerError, drop_what_is_not_loaded, slim

HERE = Path(__file__).resolve().parent
PYTHON = "3.13"
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""Lambda's names of the architectures, and Linux' own."""

# Lambda's Python >= 3.12 runs on Amazon Linux 2023 with glibc 2.34
# (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html); pip takes a wheel's tag
# literally when a platform is named, so every older glibc that wheels are tagged with is listed.
MANYLINUX = [*(f"manylinux_2_{minor}" for minor in range(34, 16, -1)), "manylinux2014"]

# Where Lambda mounts layers, and where the image keeps them: byte code names its source's path
MOUNTED_AT = "/opt/python"

EPOCH_S = 315_532_800
"""1980-01-01, the earliest time that a zip file can carry: every file's modification time."""


def build(layer: str, output: Path, python: str = PYTHON, architecture: str = "x86_64") -> Path:
    """Builds `layers/LAYER` into `output/python`, whole or not at all.

    Args:
        layer: Folder beside this file that holds `requirements.txt` and `layer.toml`.
        output: Created where it is missing; of what it holds, only `python` is replaced.
        python: The target's version, such as `3.13`.
        architecture: The target's, one of `MACHINES`.

    Returns:
        `output/python`.

    Raises:
        LayerError: An input is missing or wrong, or pip refuses.
    """
    requirements, slimming = read_inputs(HERE / layer, python)
    output.mkdir(parents=True, exist_ok=True)
    staging, target = output / f".python.{os.getpid()}.new", output / "python"
    try:
        install(requirements, staging, python, architecture)
        slim(staging, slimming, layer)
        drop_what_is_not_loaded(staging)
        if (sys.version_info[:2], platform.python_implementation()) == (version(python), "CPython"):
            compile_bytecode(staging)
        normalise(staging)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def version(python: str) -> tuple[int, ...]:
    """`3.13` as numbers."""
    return tuple(int(part) for part in python.split("."))


def read_inputs(folder: Path, python: str) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    """The locked requirements' path and the slimming list, both checked.

    Raises:
        LayerError: With every problem found.
    """
    requirements, toml = folder / "requirements.txt", folder / "layer.toml"
    missing = [path for path in (requirements, toml) if not path.is_file()]
    if missing:
        names = sorted(path.parent.name for path in HERE.glob("*/layer.toml"))
        raise LayerError(
            f"there is no {' and no '.join(map(str, missing))}; layers here: {', '.join(names)}"
        )
    problems = []
    if not re.fullmatch(r"3\.\d+", python):
        problems.append(f"--python: expected a version such as {PYTHON}, received {python!r}")
    # pip evaluates markers for the Python that runs it, not for the one that is installed for
    problems += [
        f"{requirements}: {line.rstrip(chr(92)).strip()}: lock it for one Python, without a marker"
        for line in requirements.read_text(encoding="utf-8").splitlines()
        if ";" in line and not line.lstrip().startswith("#")
    ]
    try:
        slimming = tomllib.loads(toml.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{toml}: {error}")
        slimming = {}
    if slimming.keys() - KEYS.keys() or {"keep", "remove"} <= slimming.keys():
        problems.append(
            f"{toml}: expected [[keep]] or [[remove]], and [[shorten]], received {[*slimming]}"
        )
    for kind, rule in [(kind, rule) for kind, rules in slimming.items() for rule in rules]:
        if not rule.get("why") or not rule.get("files"):
            problems.append(f"{toml}: every rule needs files and why, received {rule}")
        if unknown := rule.keys() - KEYS.get(kind, rule.keys()):
            problems.append(f"{toml}: unknown key {', '.join(sorted(unknown))}")
    if problems:
        raise LayerError("\n".join(problems))
    return requirements, slimming


def install(requirements: Path, target: Path, python: str, architecture: str) -> None:
    """Has pip install the locked wheels for the target, whatever machine this is.

    Raises:
        LayerError: pip is absent or refuses.
    """
    machine = MACHINES[architecture]
    command = [
        *(find_python_with_pip(), "-m", "pip", "install"),
        *("--requirement", str(requirements), "--target", str(target)),
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
        *("--python-version", python, "--implementation", "cp"),
        # else pip holds a package's Requires-Python against the Python that runs pip
        "--ignore-requires-python",
        *(word for tag in MANYLINUX for word in ("--platform", f"{tag}_{machine}")),
        *("--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action=ignore"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LayerError(
            f"pip could not install {requirements} for CPython {python} on {architecture}:\n"
            + done.stderr.strip()
        )


def find_python_with_pip() -> str:
    """This Python, or the first on the PATH that has pip: `sam` may live in an environment without.

    Raises:
        LayerError: There is none.
    """
    folders = os.environ.get("PATH", "").split(os.pathsep)
    on_path = [shutil.which(name, path=each) for each in folders for name in ("python3", "python")]
    for python in dict.fromkeys([sys.executable, *filter(None, on_path)]):
        probe = [
            python,
            "-c",
            "import importlib.util as u; raise SystemExit(u.find_spec('pip') is None)",
        ]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return python
    raise LayerError("no Python on the PATH has pip; install it: python3 -m ensurepip")


def compile_bytecode(root: Path) -> None:
    """Compiles byte code that is used without a look at its source.

    A time-stamped `.pyc` is stale after packaging, and a read-only file system then compiles again
    at every cold start (https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation).
    """
    compileall.compile_dir(
        root,
        quiet=2,  # a package may carry files for other Pythons: those stay source
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(root),
        prependdir=MOUNTED_AT,
    )


def normalise(root: Path) -> None:
    """Gives every file and folder the same permissions and time: the same inputs, the same bytes."""
    for path in [*root.rglob("*"), root]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH_S, EPOCH_S))


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("layer", help="folder beside this file, such as litert")
    parser.add_argument("--output", type=Path, required=True, help="its folder python is replaced")
    parser.add_argument("--python", default=PYTHON, help=f"the target's; default {PYTHON}")
    parser.add_argument("--architecture", choices=sorted(MACHINES), default="x86_64")
    parser.add_argument(
        "--native", action="store_true", help="for the Python and the processor that run this"
    )
    options = parser.parse_args()
    if options.native:
        options.python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        linux_names = {machine: name for name, machine in MACHINES.items()}
        options.architecture = linux_names.get(platform.machine(), "x86_64")
    try:
        target = build(options.layer, options.output, options.python, options.architecture)
    except LayerError as error:
        print(f"layer {options.layer}: {error}", file=sys.stderr)
        return 1
    size_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"layer {options.layer}: {size_bytes / 1e6:.1f} MB in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
