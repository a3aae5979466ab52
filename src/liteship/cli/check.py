"""`liteship check`: the whole gate, before anything is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.deploy.measuring.gate import gate
from liteship.packaging.limits import require_limits
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.packaging.limits import LimitCheck


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    measure: Annotated[
        bool, typer.Option(help="Run the function with its worst inputs under the emulator.")
    ] = True,
    json: Json = False,
) -> None:
    """Check a function, as it would be shipped now, against every limit of Lambda's.

    Sizes and settings are compared; memory, start, time and answer are measured with the costliest
    inputs that its settings let through.

    Examples:
        liteship check digits

        liteship check digits --no-measure --json
    """
    function = load_function(name)
    with stderr.status("building and measuring the function"):
        checks = gate(function, measured=measure)
    if json:
        ok = all(each.ok for each in checks)
        print_json({"function": name, "ok": ok, "limits": [_fields(each) for each in checks]})
    else:
        _print(name, checks)
    require_limits(checks)


def _fields(check: LimitCheck) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": check.name, "value": check.value, "limit": check.limit}
    fields |= {"unit": check.unit, "ok": check.ok, "verdict": check.verdict}
    told = {"basis": check.basis, "note": check.note, "hint": "" if check.ok else check.hint}
    return fields | {key: text for key, text in told.items() if text}


def _print(name: str, checks: Sequence[LimitCheck]) -> None:
    colors = {"ok": "green", "note": "yellow", "over": "bold red"}
    rows = [
        (each.name, each.value, each.limit, each.unit, Text(each.verdict, colors[each.verdict]))
        for each in checks
    ]
    print_table(f"{name} and Lambda's limits", ("limit", "value", "allowed", "unit", ""), rows)
    for each in checks:
        if each.basis or each.note:
            console.print(f"{each.name}: {each.basis or each.note}", highlight=False)
