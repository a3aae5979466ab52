"""`liteship check`: the size gate alone."""

from __future__ import annotations

from typing import Annotated

import typer

from liteship.cli.output import Json, print_json
from liteship.cli.package import limit_fields, print_limits
from liteship.packaging.limits import check_limits, require_limits
from liteship.packaging.package import package_zip
from liteship.project import load_function


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    json: Json = False,
) -> None:
    """Check a function, as it would be packaged now, against every limit of Lambda's.

    Examples:
        liteship check digits

        liteship check digits --json
    """
    function = load_function(name)
    checks = check_limits(function, package_zip(function))
    if json:
        ok = all(each.ok for each in checks)
        print_json({"function": name, "ok": ok, "limits": [limit_fields(each) for each in checks]})
    else:
        print_limits(checks)
    require_limits(checks)
