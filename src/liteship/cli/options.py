"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

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

Platform = Literal["lambda", "knative", "kubernetes"]

On = Annotated[Platform, typer.Option("--on", help="The platform that it is deployed to.")]
"""Commands give it the default `lambda`."""

Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="The cluster's namespace; by default as kubeconfig says."),
]

Context = Annotated[
    str | None, typer.Option(help="The context of kubeconfig; by default its current one.")
]
"""Read by `liteship.deploy.kubernetes.api.cluster.Cluster`, like the namespace."""

Ingress = Annotated[
    str | None,
    typer.Option(
        envvar="LITESHIP_INGRESS",
        help="Where the cluster's ingress answers, such as http://127.0.0.1:31080; by default where "
        "the function's own URL leads.",
    ),
]
