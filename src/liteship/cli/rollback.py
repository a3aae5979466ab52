"""`liteship rollback`: all traffic back to a version before."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from liteship.cli.cluster_traffic import print_knative_change, require_revisions
from liteship.cli.options import Context, Name, Namespace, On, Platform, Region, Stage
from liteship.cli.output import Json, print_line
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.cli.traffic import print_change
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.traffic import roll_back
from liteship.deploy.kubernetes.traffic import moving as knative
from liteship.errors import ConfigurationError
from liteship.project import load_function


def command(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option(help="The version; by default the one before the newest that has traffic."),
    ] = None,
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    json: Json = False,
) -> None:
    """Give all traffic of a deployed function to a version before.

    While CodeDeploy moves the traffic step by step, it is told to stop and to put it back.

    Examples:
        liteship rollback digits

        liteship rollback digits --to 5 --stage prod

        liteship rollback digits --on knative
    """
    folder = load_function(name)
    if to in get_args(Platform):
        raise ConfigurationError(
            "version-invalid",
            f"--to {to}: rollback goes back to a version; the platform is chosen by --on",
            hint=f"liteship rollback {name} --on {to}",
        )
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        with Aws(region) as aws:
            deployed = find_function(aws, folder.root, folder.config, stage)
            change = roll_back(aws, deployed, to)
        if change.stopped is None or json:
            print_change(name, deployed.function, change, json=json)
        else:
            print_line(
                f"{name}: CodeDeploy stops deployment {change.stopped} and puts the traffic back; "
                f"liteship versions {name} shows when it has"
            )
        return
    refuse_options(on, {"--stage": stage != DEFAULT_STAGE, "--region": region})
    require_revisions(on, name)
    with open_cluster(namespace, context) as cluster:
        moved = knative.roll_back(cluster, name, to)
        print_knative_change(name, moved, cluster, json=json)
