"""`liteship traffic`: divides a deployed function's traffic between versions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.cluster_traffic import print_knative_change, require_revisions
from liteship.cli.options import Context, Name, Namespace, On, Region, Stage
from liteship.cli.output import Json, print_json, print_line
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.traffic import parse_shares, shift_traffic
from liteship.deploy.kubernetes.traffic import moving as knative
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.traffic import Change


def command(
    name: Name,
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT; the rest stays where it is.")],
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    json: Json = False,
) -> None:
    """Divide the traffic of a deployed function between versions.

    On Lambda between one or two published versions; on Knative between as many Revisions as you like,
    in whole percentages.

    Examples:
        liteship traffic digits 7=10

        liteship traffic digits 7=100 --stage prod

        liteship traffic digits v3=10 v2=90 --on knative
    """
    folder = load_function(name)
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        wanted = parse_shares(shares)
        with Aws(region) as aws:
            deployed = find_function(aws, folder.root, folder.config, stage)
            change = shift_traffic(aws, deployed, wanted)
        print_change(name, deployed.function, change, json=json)
        return
    refuse_options(on, {"--stage": stage != DEFAULT_STAGE, "--region": region})
    require_revisions(on, name)
    percents = knative.parse_shares(shares)
    with open_cluster(namespace, context) as cluster:
        moved = knative.shift_traffic(cluster, name, percents)
        print_knative_change(name, moved, cluster, json=json)


def print_change(name: str, function: str, change: Change, *, json: bool) -> None:
    """Prints what became of the traffic on Lambda, on one line.

    Args:
        name: What people call the function.
        function: What Lambda calls it.
        change: What was done.
        json: Whether as one document.
    """
    if json:
        print_json({"function": function, **dataclasses.asdict(change)})
    elif change.before == change.after:
        print_line(f"{name}: {_spelled(change.after)}, as it was")
    else:
        print_line(f"{name}: {_spelled(change.before)} → {_spelled(change.after)}")


def _spelled(shares: Mapping[str, float]) -> str:
    return ", ".join(f"version {version} {percent:g} %" for version, percent in shares.items())
