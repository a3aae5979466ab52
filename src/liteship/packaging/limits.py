"""The size gate: a function's settings and its package against Lambda's limits.

Each limit stands here once, with its source. Unless another is named, that is
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.errors import LimitError
from liteship.packaging.elf import read_binary

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from liteship.packaging.elf import Binary
    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

DIRECT_UPLOAD_BYTES = 50 * 1024 * 1024
UNZIPPED_BYTES = 250 * 1024 * 1024
LAYERS = 5
MEMORY_MIB = (128, 10_240)
TIMEOUT_S = 900
ENVIRONMENT_BYTES = 4 * 1024
PAYLOAD_BYTES = 6 * 1024 * 1024

HTTP_API_TIMEOUT_S = 29
"""HTTP API ends a request after 30 s whatever the function does; SAM's TimeoutInMillis ends at 29,000
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html)."""

EVENT_ENVELOPE_BYTES = 16 * 1024
"""What an HTTP event holds beside the body: HTTP API takes at most 10,240 bytes of request line and
headers (the page above); as JSON, and with the request's context, they are longer."""

GLIBC = (2, 34)
"""Amazon Linux 2023's, which Lambda's Python 3.12 and later run on
(https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html)."""

PYTHON_ENDS = {
    "3.12": dt.date(2028, 10, 31),
    "3.13": dt.date(2029, 6, 30),
    "3.14": dt.date(2029, 6, 30),
}
"""When Lambda deprecates a Python (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""


@dataclass(frozen=True, kw_only=True)
class LimitCheck:
    """One limit and how far away it is.

    Attributes:
        name: Stable identifier.
        value: What was found.
        limit: What is allowed.
        unit: Of both; empty for text.
        ok: Whether the value keeps to the limit.
        hint: What to do when it does not.
    """

    name: str
    value: int | str
    limit: int | str
    unit: str
    ok: bool
    hint: str


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
    today = today or dt.datetime.now(dt.UTC).date()
    return [
        *_package_checks(package),
        *_setting_checks(function),
        _python_check(package.python, today),
        *_binary_checks(package),
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


def _at_most(name: str, value: int, limit: int, unit: str, hint: str) -> LimitCheck:
    return LimitCheck(name=name, value=value, limit=limit, unit=unit, ok=value <= limit, hint=hint)


def _package_checks(package: Package) -> list[LimitCheck]:
    smaller = "take data that is not the model out of the function, or ship it as an image (10 GB)"
    return [
        *(
            _at_most(
                f"{part.name}-zipped",
                part.zipped_bytes,
                DIRECT_UPLOAD_BYTES,
                "bytes",
                f"upload it through S3 (sam deploy does), or {smaller}",
            )
            for part in package.parts
        ),
        _at_most(
            "unzipped",
            sum(part.unzipped_bytes for part in package.parts),
            UNZIPPED_BYTES,
            "bytes",
            smaller,
        ),
        _at_most("layers", len(package.parts) - 1, LAYERS, "layers", "merge two layers"),
    ]


def _setting_checks(function: FunctionFolder) -> list[LimitCheck]:
    config = function.config
    runtime = config.runtime
    environment = config.environment()
    checks = [
        LimitCheck(
            name="memory",
            value=runtime.memory_mib,
            limit=MEMORY_MIB[1],
            unit="MiB",
            ok=MEMORY_MIB[0] <= runtime.memory_mib <= MEMORY_MIB[1],
            hint=f"set runtime.memory_mib to {MEMORY_MIB[0]:,}-{MEMORY_MIB[1]:,}",
        ),
        _at_most("timeout", runtime.timeout_s, TIMEOUT_S, "s", f"at most {TIMEOUT_S} s"),
        _at_most(
            "environment",
            sum(len(name.encode()) + len(value.encode()) for name, value in environment.items()),
            ENVIRONMENT_BYTES,
            "bytes",
            "shorten the S3 prefixes",
        ),
    ]
    if config.triggers.http:
        checks += [
            _at_most(
                "http-timeout",
                runtime.timeout_s,
                HTTP_API_TIMEOUT_S,
                "s",
                "the HTTP API answers 503 before the function ends: lower runtime.timeout_s, "
                "or send long work through S3",
            ),
            _at_most(
                "http-payload",
                # binary bodies travel as base64 inside the JSON event
                4 * -(-runtime.max_body_bytes // 3) + EVENT_ENVELOPE_BYTES,
                PAYLOAD_BYTES,
                "bytes",
                "lower runtime.max_body_bytes; larger inputs can come through S3",
            ),
        ]
    return checks


def _python_check(python: str, today: dt.date) -> LimitCheck:
    end = PYTHON_ENDS.get(python)
    return LimitCheck(
        name="python",
        value=python,
        limit=f"supported until {end.isoformat()}" if end else f"one of {', '.join(PYTHON_ENDS)}",
        unit="",
        ok=end is not None and today <= end,
        hint="set runtime.python to a version that Lambda supports",
    )


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
