"""`liteship demo`: the whole way, told step by step, from training to answered events.

The steps are in `liteship.cli.story`; this module only arranges and prints them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.panel import Panel

from liteship.cli.output import Json, console, print_json, print_table
from liteship.cli.story import STEPS, Story
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence


def command(json: Json = False) -> None:
    """Train, convert, package and emulate the digits function, and answer real events with it.

    Needs the development environment (`make demo` installs it): scikit-learn's data, TensorFlow, the
    Lambda emulator and an S3 server on this machine. Nothing leaves it.

    Examples:
        liteship demo

        liteship demo --json
    """
    story = Story(load_function("digits"), quiet=json)
    if not json:
        console.print(
            Panel("[bold]liteship[/bold]: from a trained model to a function that costs nothing idle")
        )
    facts: list[dict[str, object]] = []
    with story:
        for number, (title, step) in enumerate(STEPS, 1):
            if not json:
                console.print(f"\n[bold cyan]{number}. {title}[/bold cyan]")
            start = time.monotonic()
            result = step(story)
            seconds = round(time.monotonic() - start, 1)
            facts.append({"step": title, "result": result, "seconds": seconds})
    if json:
        print_json({"steps": facts})
    else:
        _print_end(facts)


def _print_end(facts: Sequence[dict[str, object]]) -> None:
    console.print()
    print_table(
        "What happened",
        ("step", "result", "seconds"),
        [(each["step"], escape(str(each["result"])), f"{each['seconds']:.1f}") for each in facts],
    )
    console.print(
        "Next: [bold].venv/bin/liteship serve digits[/bold] serves it on this machine; "
        "docs/guides/deploy.md deploys it."
    )
