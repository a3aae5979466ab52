"""A line of a deployed function's log, whichever platform keeps it, and how far back to read."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any

from liteship.errors import ConfigurationError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """One event of the log.

    Attributes:
        id: Unique in the log: CloudWatch's own, or Pod and time.
        time_ms: When it was written, milliseconds since 1970.
        stream: One a running copy of the function: CloudWatch's log stream, or the Pod.
        message: The text, without its line end.
        version: The Pod's; empty for Lambda, whose streams are named after it.
    """

    id: str
    time_ms: int
    stream: str
    message: str
    version: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """The message's own fields where it is a JSON object, none otherwise."""
        if not self.message.startswith("{"):
            return {}
        try:
            content = json.loads(self.message)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


def parse_since(text: str, now_s: float) -> int:
    """The moment that `10m`, `2h`, `1d`, `30s` or an ISO 8601 time stands for.

    Args:
        text: What was given; a time without an offset is local time.
        now_s: Seconds since 1970.

    Returns:
        Milliseconds since 1970.

    Raises:
        ConfigurationError: `since-invalid`.
    """
    if found := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return max(0, int((now_s - int(found[1]) * _UNITS_S[found[2]]) * 1000))
    try:
        return int(dt.datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            "since-invalid",
            f"{text!r} is neither a span nor a time",
            expected="10m, 2h, 1d, 30s or 2026-11-22T18:30",
            received=text,
            hint="for instance: --since 1h",
        ) from error
