"""The size gate: a function's settings and what was built of it against Lambda's limits."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from liteship.errors import LimitError
from liteship.packaging.elf import read_binary
from liteship.packaging.quotas import (
    DIRECT_UPLOAD_BYTES,
    GLIBC,
    IMAGE_BYTES,
    IMAGE_LAYERS,
    LAYERS,
    UNZIPPED_BYTES,
    LimitCheck,
    at_most,
)
from liteship.packaging.setting_limits import python_check, setting_checks

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable
    from pathlib import Path

    from liteship.config import FunctionConfig
    from liteship.packaging.elf import Binary
    from liteship.packaging.image import ImagePackage
    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

__all__ = [
    "LimitCheck",
    "check_code_limits",
    "check_image_limits",
    "check_limits",
    "image_checks",
    "require_limits",
]


def check_limits(
    function: FunctionFolder, package: Package, *, today: dt.date | None = None
) -> list[LimitCheck]:
    """Every limit that a zip function can run into, kept or not.

    Args:
        function: Its settings.
        package: What `package_zip` made of it.
        today: For Python's end of life.

    Raises:
        PackagingError: `binary-broken`.
    """
    return [*_package_checks(package), *check_code_limits(function, package, today=today)]


def check_code_limits(
    function: FunctionFolder, package: Package, *, today: dt.date | None = None
) -> list[LimitCheck]:
    """What any form of the function can run into: its settings, its Python and its binaries.

    Raises:
        PackagingError: `binary-broken`.
    """
    return [
        *setting_checks(function.config),
        python_check(package.python, today),
        *_binary_checks(package),
    ]


def check_image_limits(
    function: FunctionFolder, image: ImagePackage, *, today: dt.date | None = None
) -> list[LimitCheck]:
    """Every limit that an image function can run into, kept or not.

    Args:
        function: Its settings.
        image: What `package_image` made of it.
        today: For Python's end of life.
    """
    return [
        *image_checks(function.config, image.architecture, image.size_bytes, len(image.layers)),
        *setting_checks(function.config),
        python_check(image.python, today),
    ]


def image_checks(
    config: FunctionConfig, architecture: str, size_bytes: int, layers: int
) -> list[LimitCheck]:
    """What an image itself can run into: its processor, its uncompressed size, its layers."""
    wanted = config.runtime.architecture
    return [
        at_most(
            "image",
            size_bytes,
            IMAGE_BYTES,
            "bytes",
            "take data that is not the model out of the function, or build on a smaller BASE_IMAGE",
        ),
        at_most(
            "image-layers",
            layers,
            IMAGE_LAYERS,
            "layers",
            "build on a base image of fewer layers",
        ),
        LimitCheck(
            name="architecture",
            value=architecture,
            limit=wanted,
            unit="",
            ok=architecture == wanted,
            hint=f"build on a base image for {wanted}, or change runtime.architecture",
        ),
    ]


def require_limits(checks: Iterable[LimitCheck]) -> None:
    """Refuses a package that exceeds a limit.

    Raises:
        LimitError: `limit-exceeded`, with every limit that is not kept.
    """
    exceeded = [check for check in checks if not check.ok]
    if exceeded:
        raise LimitError(
            "limit-exceeded",
            f"Lambda would refuse or cut short this function: {len(exceeded)} limit(s) exceeded",
            problems=map(_problem, exceeded),
            hint="do what the lines above say, then run: liteship check NAME",
        )


def _problem(check: LimitCheck) -> str:
    unit = f" {check.unit}" if check.unit else ""
    return f"{check.name}: {_text(check.value)}{unit}, limit {_text(check.limit)}{unit}; {check.hint}"


def _text(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _package_checks(package: Package) -> list[LimitCheck]:
    smaller = "take data that is not the model out of the function, or ship it as an image (10 GB)"
    return [
        *(_upload_check(f"{part.name}-zipped", part.zipped_bytes) for part in package.parts),
        at_most(
            "unzipped",
            sum(part.unzipped_bytes for part in package.parts),
            UNZIPPED_BYTES,
            "bytes",
            smaller,
        ),
        at_most("layers", len(package.parts) - 1, LAYERS, "layers", "merge two layers"),
    ]


def _upload_check(name: str, zipped_bytes: int) -> LimitCheck:
    """Told, not refused: only the unzipped size limits what comes through S3."""
    check = at_most(name, zipped_bytes, DIRECT_UPLOAD_BYTES, "bytes", "")
    note = "" if check.ok else "too large to upload directly: through S3 alone, as sam deploy does"
    return replace(check, ok=True, note=note)


def _binary_checks(package: Package) -> list[LimitCheck]:
    binaries = dict(_binaries(package))
    machines = Counter(binary.machine for binary in binaries.values())
    foreign = [path for path, binary in binaries.items() if binary.machine != package.architecture]
    oldest = max((binary.glibc for binary in binaries.values()), default=(0, 0))
    needing = next((path.name for path, each in binaries.items() if each.glibc == oldest), "")
    compiled_for = re.compile(r"\.cpython-(\d)(\d+)-")
    tags = {match.expand(r"\1.\2") for path in binaries if (match := compiled_for.search(path.name))}
    return [
        LimitCheck(
            name="architecture",
            value=", ".join(f"{count} {machine}" for machine, count in sorted(machines.items())),
            limit=package.architecture,
            unit="",
            ok=not foreign,
            hint=f"{', '.join(path.name for path in foreign)} cannot run there: package again",
        ),
        LimitCheck(
            name="glibc",
            value=f"{oldest[0]}.{oldest[1]} ({needing})",
            limit=f"{GLIBC[0]}.{GLIBC[1]}",
            unit="",
            ok=oldest <= GLIBC,
            hint=f"use a wheel of the package with {needing} that is tagged manylinux_2_34 or older",
        ),
        LimitCheck(
            name="extensions",
            value=", ".join(sorted(tags)) or "none",
            limit=package.python,
            unit="",
            ok=tags <= {package.python},
            hint="these extension modules are for another Python: package again",
        ),
    ]


def _binaries(package: Package) -> list[tuple[Path, Binary]]:
    """Every ELF file of what is packed, boto3's pure Python included."""
    files = (
        path for folder in package.python_path for path in sorted(folder.rglob("*")) if path.is_file()
    )
    found = ((path, read_binary(path)) for path in files)
    return [(path, binary) for path, binary in found if binary is not None]
