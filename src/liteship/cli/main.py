"""Assembles the commands, and turns every error into a message and an exit code."""

from __future__ import annotations

import errno
import inspect as introspection
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

import liteship
from liteship.cli import (
    bench,
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
from liteship.cli.platforms import with_cluster_hint
from liteship.errors import ConfigurationError, LiteshipError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

app = typer.Typer(
    name="liteship",
    help="Package ML models as functions that cost nothing while nobody calls them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _help(command: Callable[..., None]) -> str:
    """A docstring as Markdown, with the examples as a block of code, a line each."""
    text, _, examples = (introspection.getdoc(command) or "").partition("Examples:\n")
    lines = (line.strip() for line in examples.splitlines())
    return "\n".join([f"{text}Examples:\n", "```", *filter(None, lines), "```"])


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
    bench,
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
    app.command(module.__name__.rpartition(".")[2], help=_help(module.command))(module.command)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(liteship.__version__)  # noqa: T201
        raise typer.Exit


THEIRS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""What the system says of people's files and disks; everything else is our mistake."""

NO_OUTPUT = "output-refused"


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
        return _refuse(with_cluster_hint(error, arguments), arguments)
    except OSError as error:
        if error.errno not in THEIRS:
            raise
        return _refuse(_refused_by_system(error), arguments)
    except (KeyboardInterrupt, typer.Abort):
        stderr.print("interrupted")
        return INTERRUPTED
    return 0


def _refuse(error: LiteshipError, arguments: Sequence[str]) -> int:
    """Prints an error, and gives its exit code."""
    if "--json" in arguments and error.reference != NO_OUTPUT:
        print_json(error.as_dict())
    else:
        heading = (("error ", "bold red"), (f"[{error.reference}] ", "dim"))
        # Not broken into lines: what it quotes and advises is to be searched for and pasted
        stderr.print(Text.assemble(*heading, str(error)), soft_wrap=True)
    return exit_code(error)


def _refused_by_system(error: OSError) -> ConfigurationError:
    if error.filename is None:
        sys.stdout = None  # or Python tries again at its end, and complains
        return ConfigurationError(
            NO_OUTPUT,
            f"the output cannot be written: {error.strerror}",
            hint="make room where it goes; what the command does may be done already",
        )
    return ConfigurationError(
        "file-refused",
        f"{error.filename} cannot be used: {error.strerror}",
        hint="check its permissions, its folder's, and the space on its disk",
    )
