"""`liteship delete`: a stage's stack, with everything in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.exits import INTERRUPTED
from liteship.cli.options import Name, Region, Stage, Yes
from liteship.cli.output import Json, console, print_json, print_table, progress_bars
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.removal import COUNTED, STAGES, count_objects, delete_stack, empty_buckets
from liteship.deploy.aws.stack import DEFAULT_STAGE, look_for_stack, stack_name
from liteship.errors import ConfigurationError, DeploymentError
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.stack import Stack


def command(
    name: Name,
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    empty_bucket: Annotated[
        bool, typer.Option("--empty-bucket", help="Delete what its buckets hold: every version.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete the stack that a function stands in, with everything else in that stack.

    Where there is no such stack, there is nothing to do.

    Examples:
        liteship delete digits --stage test

        liteship delete digits --empty-bucket --yes
    """
    folder = load_function(name)
    wanted = stack_name(folder.root, stage)
    with Aws(region) as aws:
        stack = look_for_stack(aws, wanted)
        if stack is None:
            _tell(json, f"there is no stack {wanted} in {aws.region}", wanted, deleted=False)
            return
        objects = count_objects(aws, stack)
        if not json:
            _show(stack, aws.region, objects)
        if objects and not empty_bucket:
            raise _not_empty(name, objects)
        if not yes:
            _confirm(stack, json=json)
        with progress_bars(STAGES, quiet=json) as report:
            emptied = empty_buckets(aws, objects, report)
            delete_stack(aws, stack, report)
    _tell(
        json,
        f"the stack {wanted} is deleted",
        wanted,
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


def _confirm(stack: Stack, *, json: bool) -> None:
    if json or not sys.stdin.isatty():
        raise ConfigurationError(
            "confirmation-missing",
            f"deleting the stack {stack.name} has to be confirmed, and there is nobody to ask",
            hint="add --yes",
        )
    if not typer.confirm(f"Delete all {len(stack.resources)} resources of {stack.name}?"):
        console.print("nothing is deleted")
        raise typer.Exit(INTERRUPTED)


def _tell(json: bool, sentence: str, stack: str, **fields: object) -> None:
    if json:
        print_json({"stack": stack, **fields})
    else:
        console.print(sentence)
