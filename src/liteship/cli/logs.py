"""`liteship logs`: a deployed function's log, readable or as JSON lines."""

from __future__ import annotations

import datetime as dt
import json as jsonlib
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from liteship.cli.exits import end_on_sigterm
from liteship.cli.options import Name, Region, Stage
from liteship.cli.output import console
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.logs import follow_events, parse_since, read_events
from liteship.deploy.aws.stack import DEFAULT_STAGE, find_function
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.deploy.aws.logs import LogEvent

STYLES = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}

UNTOLD = {
    "level",
    "message",
    "timestamp",
    "location",
    "service",
    "function_name",
    "function_memory_size",
    "function_arn",
    "function_request_id",
    "xray_trace_id",
}
"""Fields that are told otherwise, or are the same in every line."""


def command(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="How far back: 30s, 10m, 2h, 1d, or a time.")] = "10m",
    filter: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option(help="Only events with this text, or a CloudWatch pattern.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Only this published version.")] = None,
    stage: Stage = DEFAULT_STAGE,
    region: Region = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document a line, one an event.")
    ] = False,
) -> None:
    """Print what a deployed function has logged.

    Metric lines are left out, except with --json.

    Examples:
        liteship logs digits --since 1h --filter refused

        liteship logs digits --follow --version 7
    """
    folder = load_function(name)
    since_ms = parse_since(since, time.time())
    end_on_sigterm()  # ends as Ctrl-C does
    read = follow_events if follow else read_events
    with Aws(region) as aws:
        deployed = find_function(aws, folder.root, folder.config, stage)
        for event in read(aws, deployed, since_ms, text=filter, version=version):
            if json:
                print(jsonlib.dumps(_document(event), ensure_ascii=False), flush=True)  # noqa: T201
            elif "_aws" not in event.fields:
                console.print(_readable(event), soft_wrap=True)


def _document(event: LogEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "time": _moment(event).astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        "stream": event.stream,
        "message": event.fields or event.message,
    }


def _moment(event: LogEvent) -> dt.datetime:
    return dt.datetime.fromtimestamp(event.time_ms / 1000).astimezone()


def _readable(event: LogEvent) -> Text:
    moment = _moment(event).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    fields = event.fields
    if not fields:
        return Text.assemble((moment, "dim"), f" {event.message}")
    level = str(fields.get("level", ""))
    told = {key: value for key, value in fields.items() if key not in UNTOLD and value is not None}
    block = told.pop("traceback", None)
    words = " ".join(f"{key}={_word(value)}" for key, value in told.items())
    return Text.assemble(
        (moment, "dim"),
        (f" {level:<7} ", STYLES.get(level, "")),
        str(fields.get("message", "")),
        (f" {words}" if words else "", "dim"),
        f"\n{str(block).rstrip()}" if block else "",
    )


def _word(value: object) -> str:
    if isinstance(value, str) and " " not in value:
        return value
    return jsonlib.dumps(value, ensure_ascii=False)
