"""CloudEvents 1.0 over HTTP, as Knative delivers them: both forms, read into one.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
What is done with an event stands in `deliveries`.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote_to_bytes

from liteship.errors import InputError, UnsupportedMediaError
from liteship.runtime.codecs.json_form import parse_json
from liteship.runtime.http import encode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVENT_MEDIA_TYPE = "application/cloudevents"
"""How the media type of every form but the binary one begins."""

STRUCTURED = "application/cloudevents+json"
SPEC_VERSION = "1.0"
"""Of every 1.0.x (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#specversion)."""

MOST_OF_ID = 256
"""Characters: it is for the log."""

_HINT = "liteship event cloudevent prints one"


class CloudEvent:
    """One event.

    Args:
        attributes: Its context attributes by name: text, `id`, `source` and `type` among them.
        data: What it carries, b"" where it carries nothing.
    """

    __slots__ = ("data", "id", "source", "subject", "type")

    def __init__(self, attributes: Mapping[str, str], data: bytes) -> None:
        self.id = attributes["id"][:MOST_OF_ID]
        self.source = attributes["source"]
        self.type = attributes["type"]
        self.subject = attributes.get("subject", "")
        self.data = data


def is_event(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request means to be an event, however broken; header names in lower case."""
    return any(
        name.startswith(b"ce-")
        or (name == b"content-type" and value.lower().startswith(EVENT_MEDIA_TYPE.encode()))
        for name, value in headers
    )


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the body is the data itself, and the attributes are headers."""
    return not headers.get("content-type", "").lower().startswith(EVENT_MEDIA_TYPE)


def read_event(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Reads an event in binary or structured mode.

    Args:
        headers: The request's, names in lower case.
        body: The request's.

    Raises:
        UnsupportedMediaError: `event-mode` for batches, and formats other than JSON.
        InputError: `json-invalid`, `json-not-finite`, `event-version` or `event-invalid`.
    """
    if is_binary(headers):
        return _event(_binary_attributes(headers), body)
    content_type = headers["content-type"]
    if content_type.partition(";")[0].strip().lower() != STRUCTURED:
        raise UnsupportedMediaError(
            "event-mode",
            "events are read one at a time, and as JSON",
            expected=f"ce- headers, or content type {STRUCTURED}",
            received=f"{content_type:.100}",
            hint="send each event in a request of its own; Knative's Brokers and sources do",
        )
    content = parse_json(body)
    if not isinstance(content, dict):
        raise _invalid("its JSON is no object", received=f"{type(content).__name__}")
    data = _structured_data(content)
    content.pop("data", None)
    return _event(content, data)


def _event(attributes: Mapping[str, object], data: bytes) -> CloudEvent:
    version = attributes.get("specversion")
    if not isinstance(version, str):
        version = None if version is None else type(version).__name__
    if version != SPEC_VERSION:
        raise InputError(
            "event-version",
            "the event is of a version of CloudEvents that this function does not know",
            expected=f"specversion {SPEC_VERSION}",
            received="none" if version is None else f"{version!r:.60}",
            hint=_HINT,
        )
    texts = {name: value for name, value in attributes.items() if isinstance(value, str)}
    if missing := [name for name in ("id", "source", "type") if not texts.get(name)]:
        raise _invalid(f"it has no {', '.join(missing)}", expected="id, source and type, as text")
    if not isinstance(attributes.get("subject", ""), str | None):
        raise _invalid("its subject is not text")
    return CloudEvent(texts, data)


def _binary_attributes(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("ce-"): _decode_header(name, value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }


def _decode_header(name: str, value: str) -> str:
    """One attribute, quotes and one round of percent-encoding undone (section 3.1.3.2 there)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    raw = unquote_to_bytes(value.encode("latin-1"))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if value.isascii():
            raise _invalid(f"its header {name} is not UTF-8", received=f"{value:.100}") from error
        return raw.decode("latin-1")  # not encoded at all, which not every sender knows to do


def _structured_data(content: dict[str, object]) -> bytes:
    data, encoded = content.get("data"), content.get("data_base64")
    if encoded is None:
        if data is None:
            return b""
        if isinstance(data, str):
            return data.encode(errors="replace")
        try:
            return encode_json(data)
        except (ValueError, RecursionError) as error:  # 1e999, or nested as deep as Python reads
            raise _invalid(f"its data cannot be read: {error}") from error
    if data is not None:
        raise _invalid("it has both data and data_base64")
    if not isinstance(encoded, str):
        raise _invalid("its data_base64 is not text", received=type(encoded).__name__)
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise _invalid(f"its data_base64 is not base64: {error}") from error


def _invalid(problem: str, *, expected: str | None = None, received: str | None = None) -> InputError:
    return InputError(
        "event-invalid",
        f"the event cannot be read: {problem}",
        expected=expected,
        received=received,
        hint=_HINT,
    )
