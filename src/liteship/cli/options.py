"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="The function, a folder in functions/.")]
"""The argument of every command that works on one function."""

Stage = Annotated[
    str, typer.Option(help="The stage: a stack of its own, named after it; `default` is the first one.")
]
"""Commands give it the default `liteship.deploy.aws.stack.DEFAULT_STAGE`."""

Region = Annotated[
    str | None, typer.Option(help="The AWS region; by default as AWS_REGION or ~/.aws/config say.")
]
"""Read by `liteship.deploy.aws.client.Aws`."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
"""For commands that destroy or change something that others use."""
