"""`liteship invoke`: one event to an emulated function."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from liteship.cli.output import Json, print_json
from liteship.deploy.emulator import LambdaEmulator, invoke, package_for_here
from liteship.deploy.events import http_event
from liteship.errors import ConfigurationError, InputError
from liteship.project import load_function
from liteship.runtime.codecs import sniff_media_type


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    event: Annotated[Path | None, typer.Option(help="An event, as JSON.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to send as an HTTP event.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running emulator; by default one is started.")
    ] = None,
    json: Json = False,
) -> None:
    """Send one event to a function under the runtime interface emulator and print its answer.

    Examples:
        liteship invoke digits --image seven.png

        liteship invoke digits --event tests/data/events/http_v2.json --url http://127.0.0.1:9000
    """
    del json  # the answer is JSON already
    payload = _payload(event, image)
    function = load_function(name)
    if url is not None:
        print_json(invoke(url, payload))
        return
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        print_json(emulator.invoke(payload))


def _payload(event: Path | None, image: Path | None) -> Any:
    if (event is None) == (image is None):
        raise ConfigurationError(
            "event-choice", "give either --event or --image", hint="liteship invoke --help shows both"
        )
    path = event or image or Path()
    try:
        content = path.read_bytes()
        if image is not None:
            return http_event("POST", "/predict", content, sniff_media_type(content))
        return jsonlib.loads(content)
    except OSError as error:
        raise InputError(
            "file-unreadable", f"{path} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    except ValueError as error:
        raise InputError(
            "event-json", f"{path} is not JSON: {error}", hint="see tests/data/events for examples"
        ) from error
