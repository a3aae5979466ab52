"""S3 uploads through an SQS queue: each message holds a notification, or an EventBridge event.

The answer names the messages that failed; SQS delivers these again, and after some tries moves them
to the dead-letter queue. That needs `FunctionResponseTypes: [ReportBatchItemFailures]`
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html). For standard queues:
S3 does not notify FIFO queues
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html),
whose order a message that failed alone would break.
"""

from __future__ import annotations

from liteship.errors import InputError, NotReadyError
from liteship.runtime.codecs.json_form import parse_json
from liteship.runtime.triggers import event_source
from liteship.runtime.triggers.eventbridge import read_event
from liteship.runtime.triggers.s3 import S3Object, answer_objects, read_notification

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from liteship.runtime.function import Function


def handle_sqs(function: Function, event: dict[str, Any]) -> dict[str, object]:
    """Answers every message of a batch; one that fails touches no other.

    Returns:
        `batchItemFailures`, with the id of each message that is to be delivered again: what could
        not be answered now, and what never can be, which so reaches the dead-letter queue. All of
        them while the model is not ready.
    """
    messages = event["Records"]
    try:
        function.require_predictor()
    except NotReadyError as error:
        function.telemetry.refused(error, 503)
        failed = messages
    else:
        failed = [message for message in messages if not _is_answered(function, message)]
    return {"batchItemFailures": [{"itemIdentifier": message.get("messageId")} for message in failed]}


def _is_answered(function: Function, message: dict[str, Any]) -> bool:
    message_id = message.get("messageId")
    try:
        objects = read_message(message)
    except InputError as error:
        function.telemetry.refused(error, 400, message_id=message_id)
        return False
    try:
        answer_objects(function, objects, message_id=message_id)
    except Exception:  # noqa: BLE001  # it is in the log already
        return False
    return True


def read_message(message: dict[str, Any]) -> list[S3Object]:
    """The objects that a message tells of; none for the test event of a new notification.

    Raises:
        InputError: `json-invalid`, `message-unknown`, `event-type`, `event-invalid` or
            `event-version`.
    """
    body = message.get("body")
    event = parse_json(body.encode(errors="replace")) if isinstance(body, str) else None
    source = event_source(event) if isinstance(event, dict) else None
    if source == "s3":
        return read_notification(event)  # type: ignore[arg-type]  # a dict, or there were no source
    if source == "eventbridge":
        return [read_event(event)]  # type: ignore[arg-type]  # as above
    if source == "s3-test":
        return []
    raise InputError(
        "message-unknown",
        "the message tells of no upload",
        expected="an S3 notification or an EventBridge event as the body",
        received=f"{body!r:.200}",
        hint="send this queue nothing but a bucket's notifications or events",
    )
