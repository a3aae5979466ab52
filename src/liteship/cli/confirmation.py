"""The question before something that others use is changed or destroyed."""

from __future__ import annotations

import sys

import typer

from liteship.cli.exits import INTERRUPTED
from liteship.cli.output import console
from liteship.errors import ConfigurationError


def confirm(question: str, what: str, no: str, *, json: bool) -> None:
    """Asks whoever sits there, and ends the command at a no.

    Args:
        question: For people.
        what: The same for an error: `deleting the stack liteship`.
        no: What a no comes to: `nothing is deleted`.
        json: Whether standard output is for a program, so that nobody can be asked.

    Raises:
        ConfigurationError: `confirmation-missing`.
        typer.Exit: The answer is no.
    """
    require_person(what, json=json)
    try:
        agreed = typer.confirm(question)
    except typer.Abort:  # Ctrl-C, or the input's end; Typer would end with 1
        console.print()
        agreed = False
    if not agreed:
        console.print(no)
        raise typer.Exit(INTERRUPTED)


def require_person(what: str, *, json: bool, hint: str = "add --yes") -> None:
    """Refuses to ask where nobody can answer.

    Raises:
        ConfigurationError: `confirmation-missing`.
    """
    # Without standard input, Python has None for it
    if json or sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(
            "confirmation-missing",
            f"{what} has to be confirmed, and there is nobody to ask",
            hint=hint,
        )
