"""`liteship invoke`: one event to an emulated function, or to a deployed one, wherever that is."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from liteship.cli.options import Context, Ingress, Namespace, On, Region
from liteship.cli.output import Json, print_json
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.remote import invoke_remote
from liteship.deploy.aws.stack import find_function
from liteship.deploy.kubernetes.operations.calling import HttpRequest, call, request_of
from liteship.deploy.kubernetes.operations.deployed import Form
from liteship.deploy.local.emulator import LambdaEmulator, invoke, package_for_here
from liteship.deploy.local.events import http_event
from liteship.errors import ConfigurationError, InputError
from liteship.project import FunctionFolder, load_function
from liteship.runtime.codecs import sniff_media_type


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    event: Annotated[
        Path | None, typer.Option(help="An event, as JSON; `-` reads standard input.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to send as an HTTP event.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running emulator; by default one is started.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="Call the function deployed to this stage, such as `default`.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="With --stage or on Knative: this version, not what the traffic leads to."),
    ] = None,
    on: On = "lambda",
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    ingress: Ingress = None,
    json: Json = False,
) -> None:
    """Send one event to a function and print its answer.

    It runs under the runtime interface emulator, or where --stage or --on says that it is deployed. On
    a cluster a picture, or the request that an HTTP event describes, is sent over HTTP: to the
    function's URL, to --ingress, or where neither can be reached, by the API server.

    Examples:
        liteship invoke digits --image seven.png

        liteship invoke digits --event tests/data/events/http_v2.json --url http://127.0.0.1:9000

        liteship event s3 --key incoming/seven.png | liteship invoke digits --event -

        liteship invoke digits --image seven.png --stage prod

        liteship invoke digits --image seven.png --on knative --ingress http://127.0.0.1:31080
    """
    del json  # the answer is JSON already
    if on != "lambda":
        only_kubernetes = {"--version": version} if on == "kubernetes" else {}
        refuse_options(on, {"--url": url, "--stage": stage, "--region": region, **only_kubernetes})
        request = request_of(_payload(event, image))
        print_json(_ask_cluster(name, on, request, namespace, context, ingress, version))
        return
    # Not --ingress: the variable LITESHIP_INGRESS may be set for all commands
    refuse_options(on, {"--namespace": namespace, "--context": context})
    if (stage is not None and url is not None) or (stage is None and (version or region)):
        raise ConfigurationError(
            "invoke-where",
            "--version and --region belong to --stage, and --url does not go with it",
            hint="liteship invoke --help shows both ways",
        )
    payload = _payload(event, image)
    function = load_function(name)
    if stage is not None:
        print_json(_invoke_deployed(function, payload, stage, version, region))
        return
    if url is not None:
        print_json(invoke(url, payload))
        return
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        print_json(emulator.invoke(payload))


def _ask_cluster(
    name: str,
    on: Form,
    request: HttpRequest,
    namespace: str | None,
    context: str | None,
    ingress: str | None,
    version: str | None,
) -> dict[str, Any]:
    """Status and answer, and how they were got; an error's status is an answer, as on Lambda."""
    config = load_function(name).config
    with open_cluster(namespace, context) as cluster:
        answer = call(
            cluster,
            config.name,
            on,
            request,
            timeout_s=config.runtime.timeout_s,
            ingress=ingress,
            version=version,
        )
    return {
        "statusCode": answer.status,
        "url": answer.url,
        "way": answer.way,
        "body": answer.content,
    }


def _invoke_deployed(
    function: FunctionFolder, payload: object, stage: str, version: str | None, region: str | None
) -> Any:
    with Aws(region) as aws:
        deployed = find_function(aws, function.root, function.config, stage)
    return invoke_remote(
        deployed,
        payload,
        region=aws.region,
        timeout_s=function.config.runtime.timeout_s,
        version=version,
    )


def _payload(event: Path | None, image: Path | None) -> Any:
    if (event is None) == (image is None):
        raise ConfigurationError(
            "event-choice", "give either --event or --image", hint="liteship invoke --help shows both"
        )
    path = event or image or Path()
    what = "standard input" if event == Path("-") else str(path)
    try:
        content = sys.stdin.buffer.read() if event == Path("-") else path.read_bytes()
        if image is not None:
            return http_event("POST", "/predict", content, sniff_media_type(content))
        return jsonlib.loads(content)
    except OSError as error:
        raise InputError(
            "file-unreadable", f"{what} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    except ValueError as error:
        raise InputError(
            "event-json",
            f"{what} is not JSON: {error}",
            hint="liteship event prints an event of every kind",
        ) from error
