"""`liteship promote`: all traffic to one version, by default the newest."""

from __future__ import annotations

from typing import Annotated

import typer

from liteship.cli.cluster_traffic import print_knative_change, require_revisions
from liteship.cli.options import Context, Name, Namespace, On, Region, Stage
from liteship.cli.output import Json
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.cli.traffic import print_change
from liteship.deploy.aws import traffic as aws_traffic
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.aws.versions import published_numbers
from liteship.deploy.kubernetes.traffic import moving as knative
from liteship.errors import DeploymentError
from liteship.project import load_function


def command(
    name: Name,
    version: Annotated[
        str | None,
        typer.Argument(help="The version; by default the newest published or ready one."),
    ] = None,
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    json: Json = False,
) -> None:
    """Give all traffic of a deployed function to one version.

    On Knative, the newest version hands it on: a later one gets all traffic once it is ready. An older
    version keeps it.

    Examples:
        liteship promote digits 7 --stage prod

        liteship promote digits --on knative

        liteship promote digits v3 --on knative
    """
    folder = load_function(name)
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        with Aws(region) as aws:
            deployed = find_function(aws, folder.root, folder.config, stage)
            wanted = version or _newest(name, published_numbers(aws, deployed))
            shares = aws_traffic.parse_shares([f"{wanted}=100"])
            change = aws_traffic.shift_traffic(aws, deployed, shares)
        print_change(name, deployed.function, change, json=json)
        return
    refuse_options(on, {"--stage": stage != DEFAULT_STAGE, "--region": region})
    require_revisions(on, name)
    with open_cluster(namespace, context) as cluster:
        moved = knative.promote(cluster, name, version)
        print_knative_change(name, moved, cluster, json=json)


def _newest(name: str, numbers: list[str]) -> str:
    if not numbers:
        raise DeploymentError(
            "version-missing",
            f"no version of {name} is published",
            hint=f"liteship deploy {name} --to lambda publishes one",
        )
    return numbers[0]
