"""`liteship versions`: what is deployed, and who gets which share of the traffic."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from liteship.cli.options import Name, Region, Stage
from liteship.cli.output import Json, print_json, print_table
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.versions import list_versions
from liteship.project import load_function


def command(
    name: Name,
    newest: Annotated[int, typer.Option(help="How many to show, from the newest.", min=1)] = 10,
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    json: Json = False,
) -> None:
    """List the published versions of a deployed function, newest first, with their traffic.

    Older versions are listed too where they have traffic.

    Examples:
        liteship versions digits

        liteship versions digits --stage prod --json
    """
    folder = load_function(name)
    with Aws(region) as aws:
        deployed = find_function(aws, folder.root, folder.config, stage)
        versions = list_versions(aws, deployed, newest)
        where = {"function": deployed.function, "stack": deployed.stack.name, "region": aws.region}
    if json:
        print_json({**where, "versions": [dataclasses.asdict(each) for each in versions]})
        return
    rows = [
        (
            each.number,
            f"{each.percent:g} %" if each.percent else "",
            each.published[:19],
            f"{each.memory_mib} MiB",
            _short(each.code),
            each.description,
        )
        for each in versions
    ]
    print_table(
        f"{name} in the stack {where['stack']}, {where['region']}",
        ["version", "live traffic", "published", "memory", "code", "description"],
        rows,
    )


def _short(code: str) -> str:
    """A digest's beginning, by which people compare; the whole stands in the JSON document."""
    return code.rpartition("sha256:")[2][:12]
