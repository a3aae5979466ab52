"""`liteship predict`: one answer, without a server."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Annotated

import typer

from liteship.cli.loading import load_app
from liteship.cli.output import Json, print_json, print_table
from liteship.errors import InputError
from liteship.project import load_function
from liteship.runtime.codecs import sniff_media_type


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    file: Annotated[
        Path, typer.Argument(help="A picture, a request in JSON or CSV, or raw tensor bytes.")
    ],
    json: Json = False,
) -> None:
    """Answer one file as the deployed function would.

    Examples:
        liteship predict digits seven.png

        liteship predict digits seven.png --json
    """
    function = load_app(load_function(name))
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InputError(
            "file-unreadable", f"{file} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    with contextlib.redirect_stdout(io.StringIO()):
        prediction = function.predictor_for().predict(body, sniff_media_type(body))
    if json:
        print_json(prediction.fields)
        return
    rows = prediction.fields.get("predictions")
    if isinstance(rows, list):
        title = f"{prediction.fields['model']} version {prediction.fields['version']}"
        print_table(title, ("label", "score"), [(row["label"], row["score"]) for row in rows])
    else:
        print_json(prediction.fields)
