"""How a line of a log is printed, whichever platform kept it."""

from __future__ import annotations

import datetime as dt
import json as jsonlib
from typing import TYPE_CHECKING

from rich.text import Text

from liteship.cli.output import console

if TYPE_CHECKING:
    from liteship.deploy.log_events import LogEvent

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


def print_event(event: LogEvent, *, json: bool, source: str = "") -> None:
    """Prints one event: a JSON document on a line, or for people, who are spared metric lines.

    Args:
        event: What was logged.
        json: Which of the two.
        source: What people read before the message: which copy of the function wrote it.
    """
    if json:
        print(jsonlib.dumps(_document(event), ensure_ascii=False), flush=True)  # noqa: T201
    elif "_aws" not in event.fields:
        console.print(_readable(event, source), soft_wrap=True)


def _document(event: LogEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "time": _moment(event).astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        "stream": event.stream,
        **({"version": event.version} if event.version else {}),
        "message": event.fields or event.message,
    }


def _moment(event: LogEvent) -> dt.datetime:
    return dt.datetime.fromtimestamp(event.time_ms / 1000).astimezone()


def _readable(event: LogEvent, source: str) -> Text:
    moment = _moment(event).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    begin = ((moment, "dim"), (f" {source}" if source else "", "cyan"))
    fields = event.fields
    if not fields:
        return Text.assemble(*begin, f" {event.message}")
    level = str(fields.get("level", ""))
    told = {key: value for key, value in fields.items() if key not in UNTOLD and value is not None}
    block = told.pop("traceback", None)
    words = " ".join(f"{key}={_word(value)}" for key, value in told.items())
    return Text.assemble(
        *begin,
        (f" {level:<7} ", STYLES.get(level, "")),
        str(fields.get("message", "")),
        (f" {words}" if words else "", "dim"),
        f"\n{str(block).rstrip()}" if block else "",
    )


def _word(value: object) -> str:
    if isinstance(value, str) and " " not in value:
        return value
    return jsonlib.dumps(value, ensure_ascii=False)
