"""`liteship delete`: a stage's stack with everything in it, or a function on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.confirmation import confirm
from liteship.cli.exits import INTERRUPTED, end_on_sigterm
from liteship.cli.options import Context, Name, Namespace, On, Region, Stage, Yes
from liteship.cli.output import Json, print_json, print_line, print_table, progress_bars, stderr
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.removal import COUNTED, STAGES, count_objects, delete_stack, empty_buckets
from liteship.deploy.aws.stack import DEFAULT_STAGE, look_for_stack, stack_name
from liteship.deploy.kubernetes.operations.removal import STAGES as CLUSTER_STAGES
from liteship.deploy.kubernetes.operations.removal import delete_objects, find_objects
from liteship.errors import DeploymentError
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.stack import Stack
    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.operations.deployed import Form
    from liteship.project import FunctionFolder

DELETED_NOT = "nothing is deleted"


def command(
    name: Name,
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    empty_bucket: Annotated[
        bool, typer.Option("--empty-bucket", help="Delete what its buckets hold: every version.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete the stack that a function stands in, with everything else in that stack.

    On a cluster only what liteship made of this function goes: the Knative Service with its Revisions
    and Pods, or the five objects of the plain form. Where there is nothing, there is nothing to do.

    Examples:
        liteship delete digits --stage test

        liteship delete digits --empty-bucket --yes

        liteship delete digits --on knative
    """
    folder = load_function(name)
    end_on_sigterm()
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        _delete_stack(folder, stage, region, empty_bucket=empty_bucket, yes=yes, json=json)
        return
    given = {"--stage": stage != DEFAULT_STAGE, "--region": region, "--empty-bucket": empty_bucket}
    refuse_options(on, given)
    with open_cluster(namespace, context) as cluster:
        _delete_from_cluster(cluster, folder.config.name, on, yes=yes, json=json)


def _delete_from_cluster(cluster: Cluster, name: str, form: Form, *, yes: bool, json: bool) -> None:
    place = f"the namespace {cluster.namespace} of {cluster.context}"
    fields = {"function": name, "namespace": cluster.namespace}
    objects = find_objects(cluster, name, form)
    if not objects:
        what = "Knative Service" if form == "knative" else "Deployment of liteship's"
        _tell(json, f"there is no {what} {name} in {place}", fields, deleted=False)
        return
    if not json:
        print_table(
            f"{name} in {place}",
            ["kind", "name", "made"],
            [(each.kind.kind, each.name, each.made) for each in objects],
        )
    if not yes:
        confirm(f"Delete all of {name} in {place}?", f"deleting {name}", DELETED_NOT, json=json)
    try:
        with progress_bars(CLUSTER_STAGES, quiet=json) as report:
            delete_objects(cluster, name, form, objects, report)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and SIGTERM as `end_on_sigterm` makes it
        again = f"liteship delete {name} --on {form} --namespace {cluster.namespace}"
        line = f"interrupted: part of it may be gone. What is left is deleted by: {again}"
        stderr.print(line, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    gone = [str(each) for each in objects]
    _tell(json, f"{name} is deleted from {place}", fields, deleted=True, objects=gone)


def _delete_stack(
    folder: FunctionFolder,
    stage: str,
    region: str | None,
    *,
    empty_bucket: bool,
    yes: bool,
    json: bool,
) -> None:
    wanted = stack_name(folder.root, stage)
    with Aws(region) as aws:
        stack = look_for_stack(aws, wanted)
        if stack is None:
            sentence = f"there is no stack {wanted} in {aws.region}; what is on a cluster: --on knative"
            _tell(json, sentence, {"stack": wanted}, deleted=False)
            return
        objects = count_objects(aws, stack)
        if not json:
            _show(stack, aws.region, objects)
        if objects and not empty_bucket:
            raise _not_empty(folder.config.name, objects)
        if not yes:
            question = f"Delete all {len(stack.resources)} resources of {stack.name}?"
            confirm(question, f"deleting the stack {stack.name}", DELETED_NOT, json=json)
        with progress_bars(STAGES, quiet=json) as report:
            emptied = empty_buckets(aws, objects, report)
            delete_stack(aws, stack, report)
    _tell(
        json,
        f"the stack {wanted} is deleted",
        {"stack": wanted},
        deleted=True,
        resources=sorted(stack.resources),
        objects=emptied,
    )


def _show(stack: Stack, region: str, objects: Mapping[str, int]) -> None:
    print_table(
        f"the stack {stack.name} in {region}: {stack.status}",
        ["resource", "type", "objects"],
        [
            (each.logical_id, each.type, _amount(objects.get(each.physical_id, 0)))
            for each in stack.resources.values()
        ],
    )


def _amount(count: int) -> str:
    if count == 0:
        return ""
    return f"{count:,} or more" if count >= COUNTED else f"{count:,}"


def _not_empty(name: str, objects: Mapping[str, int]) -> DeploymentError:
    return DeploymentError(
        "bucket-not-empty",
        "CloudFormation deletes no bucket that holds objects",
        problems=[f"{bucket}: {_amount(count)} objects" for bucket, count in objects.items()],
        hint=f"copy what you need, then: liteship delete {name} --empty-bucket",
    )


def _tell(json: bool, sentence: str, where: Mapping[str, str], **fields: object) -> None:
    if json:
        print_json({**where, **fields})
    else:
        print_line(sentence)
