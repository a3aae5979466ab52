"""`liteship rollback`: all traffic back to a version before."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from liteship.cli.options import Name, Region, Stage
from liteship.cli.output import Json, console, print_json
from liteship.cli.traffic import print_change
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.traffic import roll_back
from liteship.project import load_function


def command(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option(help="The version; by default the one before the newest that has traffic."),
    ] = None,
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    json: Json = False,
) -> None:
    """Give all traffic of a deployed function to a version before.

    While CodeDeploy moves the traffic step by step, it is told to stop and to put it back.

    Examples:
        liteship rollback digits

        liteship rollback digits --to 5 --stage prod
    """
    folder = load_function(name)
    with Aws(region) as aws:
        deployed = find_function(aws, folder.root, folder.config, stage)
        change = roll_back(aws, deployed, to)
    if json:
        print_json({"function": deployed.function, **dataclasses.asdict(change)})
    elif change.stopped is not None:
        console.print(
            f"{name}: CodeDeploy stops deployment {change.stopped} and puts the traffic back; "
            f"liteship versions {name} shows when it has",
            soft_wrap=True,
        )
    else:
        print_change(name, change)
