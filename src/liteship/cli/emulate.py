"""`liteship emulate`: the packaged function under AWS's own runtime interface emulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from liteship.cli.exits import end_on_sigterm
from liteship.cli.options import Name
from liteship.cli.output import Json, console, print_json, stderr
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.reload import run_reloading
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.errors import LiteshipError


def command(
    name: Name,
    port: Annotated[int, typer.Option(help="Port for invocations.", min=0, max=65535)] = 9000,
    reload: Annotated[
        bool, typer.Option("--reload/--no-reload", help="Start anew when a file changes.")
    ] = True,
    json: Json = False,
) -> None:
    """Run a packaged function under the AWS Lambda runtime interface emulator until Ctrl-C.

    Only what was packaged is on its path: what works here does not lean on this environment. A
    change of its code, function.toml or model is packaged and taken over, if it works.

    Examples:
        liteship emulate digits --port 9000

        liteship invoke digits --image seven.png --url http://127.0.0.1:9000
    """
    function = load_function(name)
    end_on_sigterm()  # else the emulator outlives us

    def announce(url: str) -> None:
        if json:
            print_json({"function": name, "url": url})
        else:
            console.print(f"{name} waits for events at {url}")

    if reload:
        run_reloading(
            function,
            port,
            on_start=announce,
            on_reload=lambda: stderr.print(f"{name} reloaded"),
            on_failure=lambda error: _report(name, error),
        )
        return
    with LambdaEmulator(function, package_for_here(function), port=port, echo=True) as emulator:
        announce(emulator.url)
        while emulator.is_running():
            time.sleep(0.2)


def _report(name: str, error: LiteshipError) -> None:
    heading = f"{name} is not reloaded, what ran before goes on: [{error.reference}] "
    stderr.print(Text(f"{heading}{error}"))
