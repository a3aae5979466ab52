"""`liteship versions`: what is deployed, and who gets which share of the traffic."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.cluster_traffic import print_revisions, require_revisions
from liteship.cli.options import Context, Name, Namespace, On, Region, Stage
from liteship.cli.output import Json, print_json, print_table
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.versions import list_versions
from liteship.deploy.kubernetes.traffic.revisions import list_revisions
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.project import FunctionFolder


def command(
    name: Name,
    newest: Annotated[int, typer.Option(help="How many to show, from the newest.", min=1)] = 10,
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    json: Json = False,
) -> None:
    """List the versions of a deployed function, newest first, with their traffic.

    Older versions are listed too where they have traffic. On Lambda these are the published versions,
    on Knative the Revisions.

    Examples:
        liteship versions digits

        liteship versions digits --stage prod --json

        liteship versions digits --on knative
    """
    folder = load_function(name)
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        _on_lambda(folder, newest, stage, region, json=json)
        return
    refuse_options(on, {"--stage": stage != DEFAULT_STAGE, "--region": region})
    require_revisions(on, name)
    with open_cluster(namespace, context) as cluster:
        found = list_revisions(cluster, name)
        shown = [each for place, each in enumerate(found) if place < newest or each.percent]
        print_revisions(name, shown, cluster, json=json)


def _on_lambda(
    folder: FunctionFolder, newest: int, stage: str, region: str | None, *, json: bool
) -> None:
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
        f"{folder.config.name} in the stack {where['stack']}, {where['region']}",
        ["version", "live traffic", "published", "memory", "code", "description"],
        rows,
    )


def _short(code: str) -> str:
    """A digest's beginning, by which people compare; the whole stands in the JSON document."""
    return code.rpartition("sha256:")[2][:12]
