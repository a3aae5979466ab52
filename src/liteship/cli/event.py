"""`liteship event`: an event of any kind that a function answers, to look at or to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from liteship.cli.output import Json, print_json
from liteship.deploy.local.events import Kind, create_event
from liteship.errors import InputError


def command(
    kind: Annotated[Kind, typer.Argument(help="Who sends it.")],
    body: Annotated[
        Path | None,
        typer.Option(help="A file: the request's body, or the object that was uploaded."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="Of a request.")] = None,
    path: Annotated[str | None, typer.Option(help="Of a request.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Of an upload.")] = None,
    key: Annotated[str | None, typer.Option(help="Of an upload, not encoded.")] = None,
    count: Annotated[
        int | None, typer.Option(help="Of s3 and sqs: records, or messages.", min=1, max=10_000)
    ] = None,
    json: Json = False,
) -> None:
    """Print an event as AWS or Knative would send it; the same options give the same event.

    http, http-v1 and function-url are requests: with --body a POST of it to /predict, else a GET of
    /health/ready. All others tell of an upload.

    Examples:
        liteship event http --body seven.png

        liteship event s3 --bucket uploads --key "incoming/a b.png" > event.json

        liteship event sqs --count 3 | liteship invoke digits --event -
    """
    del json  # the answer is JSON already
    try:
        content = None if body is None else body.read_bytes()
    except OSError as error:
        raise InputError(
            "file-unreadable", f"{body} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    options = {"method": method, "path": path, "bucket": bucket, "key": key}
    print_json(create_event(kind, body=content, count=count, **options))
