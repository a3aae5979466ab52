"""Uploads that arrive as CloudEvents, which Knative delivers by POST to `/`.

An event either tells of objects, which are then read from S3, or is one: Camel's S3 sources send the
content. How senders take an answer:
https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md#event-acknowledgement-and-delivery-retry

- 200, and no body, for what is done or never can be: an upload that cannot be answered has an error
  for a result. A body would be taken for an event in reply, and, being none, for a failed delivery
  (https://github.com/knative/eventing/blob/main/pkg/broker/filter/filter_handler.go).
- 503 for what may be answered later: Knative delivers it again.
- Other statuses for what is no event, or tells of no upload: Knative gives it to the dead-letter sink.
"""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs

from liteship.errors import InputError, NotReadyError, PayloadTooLargeError
from liteship.runtime.codecs.json_form import parse_json
from liteship.runtime.http import Request, Response, check_body_size, error_response
from liteship.runtime.receiving import read_body, read_parts
from liteship.runtime.routes import refuse
from liteship.runtime.triggers import event_source
from liteship.runtime.triggers.admission import require_few, require_ours
from liteship.runtime.triggers.cloudevents import CloudEvent, is_binary, read_event
from liteship.runtime.triggers.eventbridge import read_event as read_eventbridge
from liteship.runtime.triggers.s3 import S3Object, answer_object, answer_objects, check_not_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from liteship.runtime.function import Function
    from liteship.runtime.receiving import Receive

CAMEL_SOURCE = "aws.s3.bucket."
"""How Camel's data type `aws2-s3:application-cloudevents` begins `source`: the bucket follows, and
`subject` is the key
(https://github.com/apache/camel/blob/main/components/camel-aws/camel-aws2-s3/src/main/java/org/apache/camel/component/aws2/s3/transform/AWS2S3CloudEventDataTypeTransformer.java)."""

BUCKET_HEADER, KEY_HEADER = "aws.s3.bucket.name", "aws.s3.key"
"""Set by some versions of Camel's aws-s3-source, and seen where no Broker stands between
(https://camel.apache.org/camel-kamelets/4.8.x/aws-s3-source.html)."""

RETRY_AFTER_S = "1"


class OversizedBody:
    """A body that was read and not kept.

    Args:
        error: Why.
        etag: MD5 of what was read, as S3 identifies an object that was put whole.
    """

    __slots__ = ("error", "etag")

    def __init__(self, error: PayloadTooLargeError, etag: str) -> None:
        self.error = error
        self.etag = etag


async def receive_event(
    headers: Mapping[str, str], receive: Receive, limit_bytes: int
) -> tuple[bytes, OversizedBody | None]:
    """An event's body.

    One over the limit that may be an object is read to its end all the same: its result, which says
    that it is too large, is named after its content, and a source that sees the connection closed
    instead of an answer would send it for ever.

    Args:
        headers: The request's, names in lower case.
        receive: Gives the body's parts.
        limit_bytes: Most bytes to keep.

    Raises:
        PayloadTooLargeError: `body-too-large`, in structured mode.
        InputError: `client-gone`.
    """
    if not is_binary(headers):
        return await read_body(headers, receive, limit_bytes), None
    digest = hashlib.md5(usedforsecurity=False)
    parts: list[bytes] = []
    size_bytes = 0
    async for part in read_parts(receive):
        digest.update(part)
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            parts.clear()
        else:
            parts.append(part)
    try:
        check_body_size(size_bytes, limit_bytes)
    except PayloadTooLargeError as error:
        return b"", OversizedBody(error, digest.hexdigest())
    return b"".join(parts), None


def answer_event(
    function: Function, request: Request, *, query: bytes, oversized: OversizedBody | None
) -> Response:
    """Answers what an event tells of, or carries; a route but for its last two arguments.

    Args:
        function: The function that answers.
        request: The event's request.
        query: Of its URL: `bucket` names the bucket of content that does not say.
        oversized: Instead of its body, where that is too large.

    Raises:
        PayloadTooLargeError: `body-too-large` for what is no object of a bucket that is known.
        InputError: What `cloudevents.read_event` raises, `event-unknown`, or what the notification's
            own reader raises.
    """
    event = read_event(request.headers, request.body)
    try:
        function.require_predictor()
        _answer(function, event, _origin(event, request.headers, query), oversized)
    except NotReadyError as error:
        return _later(refuse(function, error, request.request_id))
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "botocore":
            raise
        if type(error).__name__ == "ParamValidationError":
            raise InputError(
                "event-invalid",
                "the event names a bucket or a key that S3 cannot have",
                received=f"{error}"[:200],
                hint="look at what the source writes there",
            ) from error
        unavailable = NotReadyError(
            "s3-unavailable",
            f"S3 cannot be reached, or refuses: {type(error).__name__}",
            hint="the log says why; check the network, the credentials and their permissions",
        )
        return _later(error_response(unavailable, request.request_id))
    response = Response(200, None)
    response.body = b""
    response.headers = {"content-length": "0"}
    return response


def _answer(
    function: Function,
    event: CloudEvent,
    origin: tuple[str, str | None] | None,
    oversized: OversizedBody | None,
) -> None:
    objects = None if oversized else _told_of(function, event)
    if objects is not None:
        for each in objects:
            require_ours(function.settings, each)
        answer_objects(function, objects, message_id=event.id)
        return
    if origin is None:
        if oversized:
            raise oversized.error
        raise InputError(
            "event-unknown",
            "the event tells of no upload, and does not say from which bucket its content is",
            expected="an S3 notification as data, or an object with its bucket",
            received=f"type {event.type!r:.100}, source {event.source!r:.100}",
            hint="narrow the Trigger's filter, or name the bucket in the sink's URI: /?bucket=NAME",
        )
    bucket, key = origin
    require_ours(function.settings, S3Object(bucket, key, 0, ""))
    if not event.data and not oversized and key is not None:  # the source sends no content
        answer_objects(function, [S3Object(bucket, key, 0, "unversioned")], message_id=event.id)
        return
    _answer_content(function, event, S3Object(bucket, key, len(event.data), ""), oversized)


def _answer_content(
    function: Function, event: CloudEvent, s3_object: S3Object, oversized: OversizedBody | None
) -> None:
    """Answers an object that came with the event, under the identity that S3 would give it.

    Told of again, by whichever way, it has the same result.
    """

    def read(_function: Function, s3_object: S3Object) -> bytes:
        if oversized:
            raise oversized.error
        check_not_empty(s3_object, len(event.data))
        return event.data

    digest = hashlib.md5(event.data, usedforsecurity=False).hexdigest()
    s3_object.identity = oversized.etag if oversized else digest
    try:
        answer_object(function, s3_object, read)
    except Exception as error:
        function.telemetry.refused(error, 503, message_id=event.id)
        raise


def _told_of(function: Function, event: CloudEvent) -> list[S3Object] | None:
    """The objects of a notification; None for data that is none.

    Told apart by its form: `type` is the source's to choose, and an SQS source knows no better.
    """
    try:
        content = parse_json(event.data)
    except InputError:
        return None
    if not isinstance(content, dict):
        return None
    source = event_source(content)
    if source == "s3-test":
        return []
    if source == "eventbridge":
        return [read_eventbridge(content)]
    records = _records(content)
    if records is None:
        return None
    require_few(records)
    created = []
    for record in records:
        name = str(record.get("eventName", "ObjectCreated")).removeprefix("s3:")[:100]
        if name.startswith("ObjectCreated"):
            created.append(S3Object.from_record(record))
        else:
            function.telemetry.warning("event ignored", event=name, message_id=event.id)
    return created


def _records(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The records of a notification, of any store that speaks S3; of one record; of its `s3` alone.

    The last two are readings of "S3 event" in
    https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/aws-s3.md
    """
    records = content.get("Records", [content])
    if "bucket" in content and "object" in content:
        records = [{"eventVersion": "2.1", "s3": content}]
    is_told = isinstance(records, list) and records
    if is_told and all(isinstance(each, dict) and "s3" in each for each in records):
        return records  # type: ignore[no-any-return]  # checked just now
    return None


def _origin(
    event: CloudEvent, headers: Mapping[str, str], query: bytes
) -> tuple[str, str | None] | None:
    """Bucket and key of an object that is the event's data; the key None where nothing says it."""
    if event.source.startswith(CAMEL_SOURCE) and event.source != CAMEL_SOURCE:
        return event.source.removeprefix(CAMEL_SOURCE), event.subject or None
    named = parse_qs(query.decode("latin-1")).get("bucket", [""])
    bucket = headers.get(BUCKET_HEADER) or named[0]
    return (bucket, _header_text(headers.get(KEY_HEADER))) if bucket else None


def _header_text(value: str | None) -> str | None:
    """A header's text where its sender wrote UTF-8, which HTTP's is not."""
    if not value:
        return None
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def _later(response: Response) -> Response:
    response.headers["retry-after"] = RETRY_AFTER_S
    return response
