"""Assembles the commands, and turns every error into a message and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

import liteship
from liteship.cli import (
    canary,
    check,
    convert,
    delete,
    demo,
    deploy,
    emulate,
    event,
    inspect,
    invoke,
    kn,
    logs,
    package,
    predict,
    promote,
    publish,
    render,
    rollback,
    sbom,
    serve,
    traffic,
    tune,
    versions,
)
from liteship.cli.exits import INTERNAL, INTERRUPTED, exit_code
from liteship.cli.output import print_json, stderr
from liteship.errors import LiteshipError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="liteship",
    help="Package ML models as functions that cost nothing while nobody calls them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    convert,
    inspect,
    predict,
    check,
    package,
    sbom,
    publish,
    render,
    serve,
    emulate,
    event,
    invoke,
    tune,
    demo,
    deploy,
    kn,
    versions,
    traffic,
    canary,
    promote,
    rollback,
    logs,
    delete,
):
    app.command(module.__name__.rpartition(".")[2])(module.command)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(liteship.__version__)  # noqa: T201
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Runs one command line.

    Returns:
        The exit code; see `liteship.cli.exits`.
    """
    try:
        app(args=deploy.spelled_out(arguments))
    except SystemExit as end:  # the parser ends every command so, its own refusals included
        return end.code if isinstance(end.code, int) else INTERNAL
    except LiteshipError as error:
        if "--json" in arguments:
            print_json(error.as_dict())
        else:
            heading = (("error ", "bold red"), (f"[{error.reference}] ", "dim"))
            stderr.print(Text.assemble(*heading, str(error)))
        return exit_code(error)
    except (KeyboardInterrupt, typer.Abort):
        stderr.print("interrupted")
        return INTERRUPTED
    return 0
