"""What an API server answers instead of an object, taken apart: Status objects, or a proxy's page.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

LONGEST_QUOTE = 600
"""Characters that are shown of an answer: a webhook's may be whole pages."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One of several reasons.

    Args:
        reason: Kubernetes' word for it, such as `FieldValueInvalid`.
        field: Which it is about, such as `spec.replicas`; empty where it is about none.
        message: For people.
    """

    reason: str
    field: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """A Status object; what it leaves out is empty.

    Args:
        code: HTTP's status.
        reason: Kubernetes' word, such as `NotFound`.
        message: For people.
        kind: The plural of what it is about, such as `namespaces`.
        name: Of what it is about.
        causes: Each reason, where there are several.
    """

    code: int
    reason: str
    message: str
    kind: str
    name: str
    causes: tuple[Cause, ...]

    def has_cause(self, reason: str) -> bool:
        """Whether one of the causes is of this kind."""
        return any(cause.reason == reason for cause in self.causes)


def read_status(code: int, body: bytes) -> Status | None:
    """The Status object of an answer, or None where it is something else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        return None
    details = _object(answer.get("details"))
    causes = details.get("causes")
    return Status(
        code=code,
        reason=_text(answer.get("reason")),
        message=_text(answer.get("message")) or f"status {code}, without a message",
        kind=_text(details.get("kind")),
        name=_text(details.get("name")),
        causes=tuple(
            Cause(
                reason=_text(cause.get("reason")),
                field=_text(cause.get("field")),
                message=_text(cause.get("message")),
            )
            for cause in (causes if isinstance(causes, list) else [])
            if isinstance(cause, dict)
        ),
    )


def quote(body: bytes) -> str:
    """An answer that is no Status as one line of text, without a page's markup."""
    text = body[: 16 * LONGEST_QUOTE].decode(errors="replace")
    if re.search(r"<\w", text):
        text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text)
        text = re.sub(r"<[^>]*>", " ", text)
    return shorten(" ".join("".join(c if c.isprintable() else " " for c in text).split())) or "nothing"


def shorten(text: str) -> str:
    """A text's beginning."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE].rstrip()} …"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
