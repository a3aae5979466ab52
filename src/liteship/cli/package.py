"""`liteship package`: the function's zip files, and the size gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.packaging.limits import check_limits, require_limits
from liteship.packaging.package import package_zip
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.packaging.limits import LimitCheck
    from liteship.packaging.package import Package


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    form: Annotated[Literal["zip"], typer.Option("--as", help="What to build.")] = "zip",
    python: Annotated[str | None, typer.Option(help="Python version to pack for.")] = None,
    json: Json = False,
) -> None:
    """Build a function's layers and bundle into build/NAME, and check them against Lambda's limits.

    Examples:
        liteship package digits

        liteship package digits --python 3.14 --json
    """
    function = load_function(name)
    with stderr.status("building layers and bundle"):
        package = package_zip(function, python=python)
    checks = check_limits(function, package)
    if json:
        print_json(
            package_fields(package) | {"form": form, "limits": [limit_fields(each) for each in checks]}
        )
    else:
        print_package(package)
        print_limits(checks)
    require_limits(checks)


def package_fields(package: Package) -> dict[str, Any]:
    """A package as JSON-ready fields."""
    return {
        "name": package.name,
        "python": package.python,
        "architecture": package.architecture,
        "has_byte_code": package.has_byte_code,
        "parts": [
            {
                "name": part.name,
                "path": str(part.path),
                "zipped_bytes": part.zipped_bytes,
                "unzipped_bytes": part.unzipped_bytes,
            }
            for part in package.parts
        ],
    }


def limit_fields(check: LimitCheck) -> dict[str, Any]:
    """A limit as JSON-ready fields."""
    fields: dict[str, Any] = {"name": check.name, "value": check.value, "limit": check.limit}
    return fields | {"unit": check.unit, "ok": check.ok} | ({} if check.ok else {"hint": check.hint})


def print_package(package: Package) -> None:
    """Prints the parts of a package with their sizes and contents."""
    print_table(
        f"{package.name} for Python {package.python} on {package.architecture}",
        ("part", "zipped bytes", "unzipped bytes", "holds"),
        [
            (
                part.name,
                part.zipped_bytes,
                part.unzipped_bytes,
                ", ".join(f"{each.name} {each.zipped_bytes:,}" for each in part.contents),
            )
            for part in package.parts
        ],
    )

    if not package.has_byte_code:
        console.print(
            f"Packed by another Python than {package.python}: without byte code, so Lambda compiles "
            "the sources at every cold start. The image has it, and so has what "
            "[bold]sam build --use-container[/bold] packs.",
            highlight=False,
        )


def print_limits(checks: Sequence[LimitCheck]) -> None:
    """Prints the size gate's table."""
    print_table(
        "Lambda's limits",
        ("limit", "value", "allowed", "unit", ""),
        [(each.name, each.value, each.limit, each.unit, each.ok) for each in checks],
    )
