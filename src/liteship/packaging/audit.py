"""Asks the advisory database, through pip-audit, about the locked packages of layers."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TIMEOUT_S = 600


@dataclass(frozen=True, kw_only=True)
class Vulnerability:
    """A published weakness of a package.

    Attributes:
        package: The package's name.
        version: The locked one.
        identifier: Such as `PYSEC-2024-1`.
        fixed_in: Versions without it, if there are any.
        description: The advisory's first words.
    """

    package: str
    version: str
    identifier: str
    fixed_in: tuple[str, ...]
    description: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the database said.

    Attributes:
        audited: How many packages it knows.
        unknown: Packages that it could say nothing about, each with pip-audit's reason.
        vulnerabilities: What it knows against them.
    """

    audited: int
    unknown: tuple[str, ...]
    vulnerabilities: tuple[Vulnerability, ...]


def audit_layers(root: Path, layers: Iterable[str]) -> Audit:
    """Audits the locked requirements of layers; sends names and versions to the database.

    pip-audit reads its environment variables: `PIP_AUDIT_VULNERABILITY_SERVICE` (`pypi` or `osv`),
    `PIP_AUDIT_OSV_URL` for a database of one's own.

    Args:
        root: The project's folder.
        layers: Folders of `layers/`.

    Raises:
        PackagingError: `audit-missing` without pip-audit; `audit-failed` where it gives no answer.
    """
    requirements = [root / "layers" / layer / "requirements.txt" for layer in layers]
    command = [
        find_pip_audit(root),
        # the files are complete and hashed: nothing to resolve, nothing to install
        *("--disable-pip", "--require-hashes"),
        *("--format", "json", "--desc", "on", "--progress-spinner", "off"),
        *(word for path in requirements for word in ("--requirement", str(path))),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        # Exit code 1 means "found some" as well as "failed": only the document tells which
        return _read(json.loads(done.stdout))
    except subprocess.TimeoutExpired as error:
        raise _failed(f"no answer within {TIMEOUT_S} s") from error
    except (ValueError, KeyError, TypeError) as error:
        lines = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise _failed(lines[-1]) from error


def require_clean(audit: Audit) -> None:
    """Refuses known weaknesses, and an audit that left packages out.

    Raises:
        PackagingError: `vulnerabilities-found`, `audit-incomplete`; `audit-failed` where the
            database knows not one of the packages.
    """
    if audit.vulnerabilities:
        raise PackagingError(
            "vulnerabilities-found",
            f"{len(audit.vulnerabilities)} known vulnerability(ies) in the layers' packages",
            problems=map(_problem, audit.vulnerabilities),
            hint="raise the versions: make lock, then package and deploy again",
        )
    if audit.unknown and not audit.audited:
        raise _failed(f"nothing about {len(audit.unknown)} packages; {audit.unknown[0]}")
    if audit.unknown:
        raise PackagingError(
            "audit-incomplete",
            f"the advisory database could not be asked about {len(audit.unknown)} package(s); "
            f"{audit.audited} are without known vulnerabilities",
            problems=audit.unknown,
            hint="check the network, or ask another database: PIP_AUDIT_VULNERABILITY_SERVICE=osv",
        )


def find_pip_audit(root: Path) -> str:
    """The program in `.tools/audit`, or on the PATH.

    Raises:
        PackagingError: `audit-missing`.
    """
    own = root / ".tools" / "audit" / "bin" / "pip-audit"
    found = str(own) if own.is_file() else shutil.which("pip-audit")
    if found is None:
        raise PackagingError(
            "audit-missing",
            "pip-audit is not installed",
            expected=f"{own}, or pip-audit on the PATH",
            hint="make .tools/audit",
        )
    return found


def _read(document: dict[str, Any]) -> Audit:
    packages = document["dependencies"]
    asked = [each for each in packages if "skip_reason" not in each]
    return Audit(
        audited=len(asked),
        # pip-audit counts these as clean, a database that answers 404 to everything included
        unknown=tuple(each["skip_reason"] for each in packages if "skip_reason" in each),
        vulnerabilities=tuple(
            Vulnerability(
                package=each["name"],
                version=each["version"],
                identifier=found["id"],
                fixed_in=tuple(found["fix_versions"]),
                description=found["description"].partition("\n")[0],
            )
            for each in asked
            for found in each["vulns"]
        ),
    )


def _problem(found: Vulnerability) -> str:
    fixed = f"fixed in {', '.join(found.fixed_in)}" if found.fixed_in else "not fixed yet"
    what = f"{found.package} {found.version}: {found.identifier}, {fixed}"
    return f"{what}; {found.description:.100}"


def _failed(reason: str) -> PackagingError:
    return PackagingError(
        "audit-failed",
        "pip-audit could not ask the advisory database",
        received=reason[:500],
        hint="check the network and its proxy settings, then try again",
    )
