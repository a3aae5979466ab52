"""`liteship traffic`: divides a deployed function's traffic between two versions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.options import Name, Region, Stage
from liteship.cli.output import Json, console, print_json
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.traffic import parse_shares, shift_traffic
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.traffic import Change


def command(
    name: Name,
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT; the rest stays where it is.")],
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    json: Json = False,
) -> None:
    """Divide the traffic of a deployed function between one or two published versions.

    Examples:
        liteship traffic digits 7=10

        liteship traffic digits 7=100 --stage prod
    """
    wanted = parse_shares(shares)
    folder = load_function(name)
    with Aws(region) as aws:
        deployed = find_function(aws, folder.root, folder.config, stage)
        change = shift_traffic(aws, deployed, wanted)
    if json:
        print_json({"function": deployed.function, **dataclasses.asdict(change)})
        return
    print_change(name, change)


def print_change(name: str, change: Change) -> None:
    """Prints what became of the traffic, on one line."""
    if change.before == change.after:
        console.print(f"{name}: {_spelled(change.after)}, as it was")
    else:
        console.print(f"{name}: {_spelled(change.before)} → {_spelled(change.after)}")


def _spelled(shares: Mapping[str, float]) -> str:
    return ", ".join(f"version {version} {percent:g} %" for version, percent in shares.items())
