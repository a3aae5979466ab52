"""`liteship logs`: a deployed function's log, readable or as JSON lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.exits import end_on_sigterm
from liteship.cli.log_lines import print_event
from liteship.cli.options import Context, Name, Namespace, On, Region, Stage
from liteship.cli.output import stderr
from liteship.cli.platforms import open_cluster, refuse_options
from liteship.deploy.aws import logs as aws_logs
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.deploy.kubernetes.operations.deployed import require_deployed
from liteship.deploy.kubernetes.operations.following import follow_events
from liteship.deploy.kubernetes.operations.logs import Wanted, read_events
from liteship.deploy.log_events import parse_since
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.deploy.log_events import LogEvent


def command(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="How far back: 30s, 10m, 2h, 1d, or a time.")] = "10m",
    filter: Annotated[  # noqa: A002  # the option's name
        str | None,
        typer.Option(help="Only events with this text; on Lambda, or a CloudWatch pattern."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Only this version; on Knative, or this Revision.")
    ] = None,
    on: On = "lambda",
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    namespace: Namespace = None,
    context: Context = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document a line, one an event.")
    ] = False,
) -> None:
    """Print what a deployed function has logged.

    Metric lines are left out, except with --json. On a cluster these are the lines of all Pods that
    there are: what a Pod has logged goes with it.

    Examples:
        liteship logs digits --since 1h --filter refused

        liteship logs digits --follow --version 7

        liteship logs digits --on knative --follow
    """
    folder = load_function(name)
    since_ms = parse_since(since, time.time())
    end_on_sigterm()  # ends as Ctrl-C does
    if on == "lambda":
        refuse_options(on, {"--namespace": namespace, "--context": context})
        read = aws_logs.follow_events if follow else aws_logs.read_events
        with Aws(region) as aws:
            deployed = find_function(aws, folder.root, folder.config, stage)
            for event in read(aws, deployed, since_ms, text=filter, version=version):
                print_event(event, json=json)
        return
    refuse_options(on, {"--stage": stage != DEFAULT_STAGE, "--region": region})
    wanted = Wanted(name=folder.config.name, form=on, since_ms=since_ms, text=filter, version=version)
    read_pods = follow_events if follow else read_events
    with open_cluster(namespace, context) as cluster:
        require_deployed(cluster, wanted.name, on, version)
        for event in read_pods(cluster, wanted, _tell):
            print_event(event, json=json, source=_source(event))


def _tell(sentence: str) -> None:
    stderr.print(sentence, highlight=False, soft_wrap=True)


def _source(event: LogEvent) -> str:
    """The version, and the end of the Pod's name: what comes before it is the same for all of them."""
    pod = event.stream.rpartition("-")[2]
    return f"v{event.version.removeprefix('v')} {pod}" if event.version else pod
