"""`liteship deploy`: plan, deploy and smoke test, on Lambda or on a cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from liteship.cli import deploy_cluster, deploy_lambda
from liteship.cli.exits import end_on_sigterm
from liteship.cli.options import Context, Ingress, Name, Namespace, Platform, Region, Stage, Yes
from liteship.cli.output import Json
from liteship.cli.platforms import refuse_options
from liteship.deploy.aws.stack import DEFAULT_STAGE
from liteship.deploy.kubernetes.images import chosen_image
from liteship.deploy.kubernetes.rollout import preparation
from liteship.deploy.sam import deployment as lambda_deployment
from liteship.deploy.sam.plan import REQUESTS, parse_rollout
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence

DRY_RUN = "--dry-run"

TIMEOUT_S = 600


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The command line with `--dry-run` alone written as `--dry-run=`, which is its empty value.

    Typer knows no options whose value may be left out.
    """
    if list(arguments[:1]) != ["deploy"]:
        return list(arguments)
    return [f"{DRY_RUN}=" if each == DRY_RUN else each for each in arguments]


def _known_dry_run(value: str | None) -> str | None:
    if value not in {None, "", "client", "server"}:
        raise typer.BadParameter("client or server, after an equals sign, or nothing at all")
    return value


def command(
    name: Name,
    to: Annotated[Platform, typer.Option("--to", help="The platform.")],
    dry_run: Annotated[
        str | None,
        typer.Option(
            DRY_RUN,
            metavar="[=client|server]",
            callback=_known_dry_run,
            help="Check and plan only. Lambda: without a value; looks at the account where there are "
            "credentials. Clusters: client (the default) asks nobody, server lets the cluster judge.",
        ),
    ] = None,
    output: Annotated[
        Literal["yaml", "json"] | None,
        typer.Option("--output", "-o", help="Clusters, with --dry-run: print the manifests."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Clusters: the image, by digest; by default what knative/images says."),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    ingress: Ingress = None,
    no_traffic: Annotated[
        bool, typer.Option("--no-traffic", help="Knative: a new Revision gets none yet.")
    ] = False,
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Clusters: take over fields that others manage.")
    ] = False,
    timeout_s: Annotated[
        int, typer.Option(min=1, help="Clusters: how long to wait until it is ready.")
    ] = TIMEOUT_S,
    stage: Stage = DEFAULT_STAGE,
    canary: Annotated[
        str | None,
        typer.Option(
            help="Lambda: how traffic moves this time: 10%/10m; by default as function.toml says."
        ),
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="Lambda: what images run on; AWS' image by default.")
    ] = None,
    requests_per_month: Annotated[int, typer.Option(help="Lambda: for the cost.", min=1)] = REQUESTS,
    allow_replacement: Annotated[
        bool,
        typer.Option(
            "--allow-replacement", help="Lambda: let data or addresses that the plan names be lost."
        ),
    ] = False,
    region: Region = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Plan a deployment, carry it out, and ask the deployed function for the golden input's answer.

    On Lambda, all functions of a project stand in one stack and are deployed together. On a cluster,
    each is deployed by itself; where nothing differs, nothing is written. Interrupted, it is run
    again.

    Examples:
        liteship deploy digits --to lambda --dry-run

        liteship deploy digits --to lambda --stage prod --canary 10%/10m

        liteship deploy digits --to knative --dry-run=client -o yaml

        liteship deploy digits --to knative --namespace models --no-traffic

        liteship deploy digits --to kubernetes --yes
    """
    of_lambda = {
        "--stage": stage != DEFAULT_STAGE,
        "--canary": canary,
        "--base-image": base_image,
        "--requests-per-month": requests_per_month != REQUESTS,
        "--allow-replacement": allow_replacement,
        "--region": region,
    }
    of_clusters = {
        f"{DRY_RUN}={dry_run}": bool(dry_run),
        "--output": output,
        "--image": image,
        "--namespace": namespace,
        "--context": context,
        # From the environment it is meant for whichever commands can use it
        "--ingress": ingress if ingress != os.environ.get("LITESHIP_INGRESS") else None,
        "--force-conflicts": force_conflicts,
        "--timeout-s": timeout_s != TIMEOUT_S,
    }
    function = load_function(name)
    if to == "lambda":
        refuse_options(to, of_clusters | {"--no-traffic": no_traffic})
        request = lambda_deployment.Request(
            function=function,
            stage=stage,
            rollout=parse_rollout(canary) if canary is not None else None,
            base_image=base_image,
            requests=requests_per_month,
            dry_run=dry_run is not None,
            allow_replacement=allow_replacement,
        )
        end_on_sigterm()  # as Ctrl-C: sam ends with us
        deploy_lambda.deploy(request, region=region, yes=yes, json=json)
        return
    refuse_options(to, of_lambda | {"--no-traffic": no_traffic and to == "kubernetes"})
    end_on_sigterm()
    deploy_cluster.deploy(
        preparation.Request(
            function=function,
            platform=to,
            image=None if image is None else chosen_image(function.root, name, image),
            ingress=ingress,
            no_traffic=no_traffic,
            force=force_conflicts,
            timeout_s=timeout_s,
        ),
        deploy_cluster.Options(
            namespace=namespace,
            context=context,
            dry_run=None if dry_run is None else dry_run or "client",
            output=output,
            yes=yes,
            json=json,
        ),
    )
