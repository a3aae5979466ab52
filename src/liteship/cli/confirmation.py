"""The question before something is destroyed."""

from __future__ import annotations

import sys

import typer

from liteship.cli.exits import INTERRUPTED
from liteship.cli.output import console
from liteship.errors import ConfigurationError


def confirm(question: str, what: str, *, json: bool) -> None:
    """Asks whoever sits there, and ends the command at a no.

    Args:
        question: For people.
        what: The same for an error: `deleting the stack liteship`.
        json: Whether standard output is for a program, so that nobody can be asked.

    Raises:
        ConfigurationError: `confirmation-missing`.
        typer.Exit: The answer is no.
    """
    if json or not sys.stdin.isatty():
        raise ConfigurationError(
            "confirmation-missing",
            f"{what} has to be confirmed, and there is nobody to ask",
            hint="add --yes",
        )
    if not typer.confirm(question):
        console.print("nothing is deleted")
        raise typer.Exit(INTERRUPTED)
