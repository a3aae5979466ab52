"""`liteship serve`: the HTTP server that Knative would run."""

from __future__ import annotations

from typing import Annotated

import typer

from liteship.cli.loading import load_app
from liteship.cli.output import Json, stderr
from liteship.project import load_function


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    json: Json = False,
) -> None:
    """Serve a function over HTTP, as its container does on Knative. Logs are JSON lines.

    Examples:
        liteship serve digits --port 8080

        curl -H 'content-type: image/png' --data-binary @seven.png localhost:8080/predict
    """
    del json  # the server's log is JSON already
    from liteship.runtime.listener import listen
    from liteship.runtime.server import serve

    function = load_app(load_function(name))
    function.require_predictor()
    listener = listen(port, host)
    place = f"http://{host or 'localhost'}:{listener.getsockname()[1]}/"
    stderr.print(f"try {name} on {place} in a browser; Ctrl-C ends it", highlight=False)
    serve(function, listener)
