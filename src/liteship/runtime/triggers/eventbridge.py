"""S3 uploads through EventBridge: one event an object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.triggers.s3 import S3Object, answer_objects, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from liteship.runtime.function import Function

SOURCE, DETAIL_TYPE = "aws.s3", "Object Created"


def handle_eventbridge(function: Function, event: dict[str, Any]) -> dict[str, object]:
    """Answers the one object that an event tells of.

    Returns:
        `results`, as `liteship.runtime.triggers.s3.handle_s3` gives them.

    Raises:
        InputError: `event-type` or `event-invalid`.
        NotReadyError: The model is not loaded.
        botocore.exceptions.BotoCoreError, ClientError: S3 cannot be reached or refuses.
    """
    function.require_predictor()
    return {"results": answer_objects(function, [read_event(event)])}


def read_event(event: dict[str, Any]) -> S3Object:
    """The object of an "Object Created" event. Its key is the object's own, not form-encoded.

    Raises:
        InputError: `event-type` for events of anything else, `event-invalid`.
    """
    if (event.get("source"), event["detail-type"]) != (SOURCE, DETAIL_TYPE):
        raise InputError(
            "event-type",
            "the EventBridge event tells of no upload",
            expected=f'source "{SOURCE}", detail-type "{DETAIL_TYPE}"',
            received=f"source {event.get('source')!r:.60}, detail-type {event['detail-type']!r:.60}",
            hint="narrow the rule's event pattern to uploads",
        )
    try:
        detail = event["detail"]
        s3_object = detail["object"]
        bucket, key = detail["bucket"]["name"], s3_object["key"]
        if not isinstance(bucket, str) or not isinstance(key, str):
            raise TypeError("a name is not text")  # noqa: TRY301  # answered below
        return S3Object(
            bucket=bucket,
            key=key,
            size_bytes=int(s3_object.get("size") or 0),
            identity=identify(s3_object, "version-id", "etag"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            "event-invalid",
            f"the EventBridge event cannot be read: {type(error).__name__} {error}",
            expected="detail.bucket.name and detail.object.key",
            hint="liteship event eventbridge prints one",
        ) from error
