"""What commands print: tables and progress for people, one JSON document with `--json`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
"""The option that every command has."""

console = Console()
"""For people; progress and tables go here."""

stderr = Console(stderr=True)
"""For errors."""


def print_line(line: str) -> None:
    """Prints a line as it is: not broken, as it may be pasted, and brackets are no markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def progress_lines(*, quiet: bool) -> Callable[[str], None]:
    """Prints what is being done, a line each, where it does not mix with the result.

    Args:
        quiet: Print nothing.
    """
    if quiet:
        return lambda _line: None
    return lambda line: stderr.print(
        f"  {line}", style="dim", markup=False, highlight=False, soft_wrap=True
    )


def print_whole(text: str) -> None:
    """Prints to standard output as it is, for programs and for pasting; Rich would wrap long lines."""
    print(text, flush=True)  # noqa: T201  # now, as a full disk is an error of the command's


def print_json(content: object) -> None:
    """Prints one JSON document to standard output."""
    print_whole(json.dumps(content, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Prints a table; columns named `*bytes` or that hold numbers are right-aligned."""
    table = Table(title=title, title_justify="left", title_style="bold")
    body = [[cell if isinstance(cell, Text) else text(cell) for cell in row] for row in rows]
    for position, column in enumerate(columns):
        numeric = all(str(row[position])[:1].isdigit() for row in body if row[position])
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*row)
    console.print(table)


def text(value: object) -> str:
    """A value as people read it, as Rich's markup: thousands separated, four decimals."""
    if isinstance(value, bool):
        return "[green]ok[/green]" if value else "[bold red]over[/bold red]"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))


@contextmanager
def progress_bars(
    labels: Mapping[str, str], *, quiet: bool
) -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars, one a stage; the function yielded takes stage, steps done and steps in all.

    Args:
        labels: What a person reads for each stage.
        quiet: Print nothing.
    """
    if quiet:
        yield lambda _stage, _done, _of: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(30), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, of: int) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    progress.update(earlier, total=1, completed=1)  # type: ignore[arg-type]
                tasks[stage] = progress.add_task(labels[stage], total=of or None)
            progress.update(tasks[stage], completed=done, total=of or None)  # type: ignore[arg-type]

        yield report
        for task in tasks.values():
            progress.update(task, total=1, completed=1)  # type: ignore[arg-type]
