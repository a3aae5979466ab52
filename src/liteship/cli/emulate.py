"""`liteship emulate`: the packaged function under AWS's own runtime interface emulator."""

from __future__ import annotations

import signal
import sys
import time
from typing import Annotated

import typer

from liteship.cli.exits import INTERRUPTED
from liteship.cli.output import Json, console, print_json
from liteship.deploy.emulator import LambdaEmulator, package_for_here
from liteship.project import load_function


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    port: Annotated[int, typer.Option(help="Port for invocations.", min=0, max=65535)] = 9000,
    json: Json = False,
) -> None:
    """Run a packaged function under the AWS Lambda runtime interface emulator until Ctrl-C.

    Only what was packaged is on its path: what works here does not lean on this environment.

    Examples:
        liteship emulate digits --port 9000

        liteship invoke digits --image seven.png --url http://127.0.0.1:9000
    """
    function = load_function(name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))  # else the emulator outlives us
    with LambdaEmulator(function, package_for_here(function), port=port, echo=True) as emulator:
        if json:
            print_json({"function": name, "url": emulator.url})
        else:
            console.print(f"{name} waits for events at {emulator.url}")
        while emulator.is_running():
            time.sleep(0.2)
