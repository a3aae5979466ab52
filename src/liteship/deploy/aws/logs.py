"""A deployed function's log in CloudWatch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from liteship.deploy.aws.client import AwsError
from liteship.deploy.log_events import LogEvent
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import DeployedFunction

POLL_S = 2.0

LATE_MS = 30_000
"""How much later than a younger event an older one may turn up: streams are ingested independently,
so the last part of the log is read again and again, and what was seen is remembered."""


def filter_pattern(text: str) -> str:
    """CloudWatch's pattern for a text to be found as it is; a pattern of its own stays one.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    if text[:1] in {"{", "[", "%", '"'}:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_events(
    aws: Aws,
    deployed: DeployedFunction,
    since_ms: int,
    *,
    text: str | None = None,
    version: str | None = None,
) -> Iterator[LogEvent]:
    """The log's events from `since_ms` on, as CloudWatch orders them.

    Args:
        aws: Where.
        deployed: The function.
        since_ms: Milliseconds since 1970.
        text: Only events that hold it; see `filter_pattern`.
        version: Only events of this version.

    Raises:
        DeploymentError: `log-group-missing`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    parameters: dict[str, Any] = {"logGroupName": deployed.log_group, "startTime": since_ms}
    if text:
        parameters["filterPattern"] = filter_pattern(text)
    try:
        for page in aws.pages("logs", "filter_log_events", **parameters):
            for event in page["events"]:
                # Streams are named DATE/FUNCTION[VERSION]ID
                # (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html)
                if version is None or f"[{version}]" in event["logStreamName"]:
                    yield LogEvent(
                        id=event["eventId"],
                        time_ms=event["timestamp"],
                        stream=event["logStreamName"],
                        message=event["message"].rstrip("\n"),
                    )
    except AwsError as error:
        if error.reference != "aws-not-found":
            raise
        raise DeploymentError(
            "log-group-missing",
            f"there is no log group {deployed.log_group}",
            hint=f"deploy {deployed.name} again: the stack makes its log group",
        ) from error


def follow_events(
    aws: Aws,
    deployed: DeployedFunction,
    since_ms: int,
    *,
    text: str | None = None,
    version: str | None = None,
    poll_s: float = POLL_S,
) -> Iterator[LogEvent]:
    """The log's events as they come, each once, without end; arguments as `read_events`.

    Raises:
        DeploymentError: `log-group-missing`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    seen: dict[str, int] = {}
    while True:
        for event in read_events(aws, deployed, since_ms, text=text, version=version):
            if event.id not in seen:
                seen[event.id] = event.time_ms
                yield event
        since_ms = max([since_ms, *(time_ms - LATE_MS for time_ms in seen.values())])
        seen = {key: time_ms for key, time_ms in seen.items() if time_ms >= since_ms}
        time.sleep(poll_s)
