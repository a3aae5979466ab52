"""S3 uploads: each object below the input prefix gets a result object below the output prefix.

Delivery is at least once and unordered
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html), so a result's key is
derived from the object's key and its version or ETag: answering twice writes the same object twice.
A broken object gets a result that says what is wrong with it; an outage raises, so that Lambda sends
the event again. botocore is imported only when the first object is read; boto3 on top of it would add
nothing here, and take a quarter longer.
"""

from __future__ import annotations

import hashlib
import time
from urllib.parse import unquote_plus

from liteship.errors import InputError, LiteshipError, NotReadyError, PayloadTooLargeError
from liteship.runtime.codecs import sniff_media_type
from liteship.runtime.http import encode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from liteship.runtime.function import Function
    from liteship.runtime.settings import Settings

    Read = Callable[["Function", "S3Object"], bytes]

MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html; a result whose key would be
longer gets a digest for a name. The object itself names the picture that it answers."""

GONE = "object-gone"
"""An event that comes again after the object was deleted must not replace the result that it has."""

TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20


class S3Object:
    """One object that an event speaks of.

    Args:
        bucket: Its bucket.
        key: Its key, decoded; None where only its content is known with the event.
        size_bytes: Its size, 0 where the event does not say.
        identity: Version id, ETag or, where the event has neither, its sequencer.
    """

    __slots__ = ("bucket", "identity", "key", "size_bytes")

    def __init__(self, bucket: str, key: str | None, size_bytes: int, identity: str) -> None:
        self.bucket = bucket
        self.key = key
        self.size_bytes = size_bytes
        self.identity = identity

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> S3Object:
        """Reads one record of a notification, any eventVersion from 2.0.

        Keys in notifications are form-encoded, a space as `+`
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).

        Raises:
            InputError: `event-invalid`.
        """
        version = str(record.get("eventVersion", ""))
        try:
            s3_object = record["s3"]["object"]
            bucket = record["s3"]["bucket"]["name"]
            if not isinstance(bucket, str):
                raise TypeError("a name is not text")  # noqa: TRY301  # answered below
            found = cls(
                bucket=bucket,
                key=unquote_plus(s3_object["key"], errors="strict"),
                size_bytes=int(s3_object.get("size") or 0),
                identity=identify(s3_object, "versionId", "eTag"),
            )
        # OverflowError: JSON's 1e999 is an infinity
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                "event-invalid",
                f"the S3 record cannot be read: {type(error).__name__} {error}",
                expected="s3.bucket.name and s3.object.key",
                hint="liteship event s3 prints one",
            ) from error
        if not version.startswith("2."):
            raise InputError(
                "event-version",
                f"the S3 record of {found.key} has a version that this function does not know",
                expected="eventVersion 2.x",
                received=version or "none",
                hint="update liteship",
            )
        return found


def identify(s3_object: dict[str, Any], *names: str) -> str:
    """What tells this content from another under the same key: the first field that is there."""
    return str(next(filter(None, map(s3_object.get, (*names, "sequencer"))), "unversioned"))


def read_notification(event: dict[str, Any]) -> list[S3Object]:
    """The objects of a notification's records.

    Raises:
        InputError: `event-invalid` or `event-version`.
    """
    return [S3Object.from_record(record) for record in event["Records"]]


def handle_s3(function: Function, event: dict[str, Any]) -> dict[str, object]:
    """Answers every record of a notification.

    Returns:
        `results`: for each record its bucket, key and either the result's key or why it was ignored.

    Raises:
        InputError: `event-invalid` or `event-version`.
        NotReadyError: The model is not loaded.
        botocore.exceptions.BotoCoreError, ClientError: S3 cannot be reached or refuses.
    """
    function.require_predictor()
    return {"results": answer_objects(function, read_notification(event))}


def answer_objects(
    function: Function, objects: list[S3Object], message_id: str | None = None
) -> list[dict[str, object]]:
    """Answers objects, whoever told of them.

    All are tried before a failure is raised: one that cannot be read now must not keep the others
    waiting.

    Args:
        function: The function that answers.
        objects: What was uploaded.
        message_id: Of the queue's message that told of them, for the log.

    Returns:
        For each object its bucket, key and either the result's key or why it was ignored.

    Raises:
        NotReadyError: The model is not loaded.
        botocore.exceptions.BotoCoreError, ClientError: S3 cannot be reached or refuses.
    """
    results: list[dict[str, object]] = []
    failures: list[Exception] = []
    for each in objects:
        try:
            results.append(answer_object(function, each))
        except Exception as error:  # noqa: BLE001  # raised again below, after the other records
            function.telemetry.refused(error, 500, message_id=message_id)
            failures.append(error)
    if failures:
        raise failures[0]
    return results


def answer_object(
    function: Function, s3_object: S3Object, read: Read | None = None
) -> dict[str, object]:
    """Answers one object; a broken one with an error as its result.

    Args:
        function: The function that answers.
        s3_object: The object.
        read: Gives its content where it is already here; it is downloaded otherwise.

    Returns:
        Its bucket, key and either the result's key or why it was ignored.

    Raises:
        NotReadyError: The model is not loaded.
        botocore.exceptions.BotoCoreError, ClientError: S3 cannot be reached or refuses.
    """
    identity: dict[str, object] = {"bucket": s3_object.bucket, "key": s3_object.key}
    if ignored := _why_ignored(function.settings, s3_object.key):
        function.telemetry.warning("object ignored", **identity, reason=ignored)
        return identity | {"ignored": ignored}

    start = time.perf_counter()
    condition = {}
    try:
        body = (read or _download)(function, s3_object)
        prediction = function.predictor_for().predict(body, sniff_media_type(body))
    except NotReadyError:
        raise
    except LiteshipError as error:  # the same object would fail the same way again
        function.telemetry.refused(error, 400)
        content = error.as_dict()
        if error.reference == GONE:
            condition = {"IfNoneMatch": "*"}
    else:
        function.telemetry.predicted(prediction.inference)
        content = prediction.fields
    result_key = _result_key(function, s3_object)
    client = function.s3
    try:
        client.put_object(
            Bucket=s3_object.bucket,
            Key=result_key,
            Body=encode_json(identity | content, indent=2) + b"\n",
            ContentType="application/json",
            **condition,
        )
    except client.exceptions.ClientError as error:
        if not condition or error.response["Error"].get("Code") not in TAKEN:
            raise
        return identity | {"ignored": "it is not there any more, and was answered before"}
    total_ms = round((time.perf_counter() - start) * 1e3, 2)
    function.telemetry.info("object answered", **identity, result=result_key, total_ms=total_ms)
    return identity | {"result": result_key}


def _why_ignored(settings: Settings, key: str | None) -> str | None:
    if key is None:
        return None
    if key.startswith(settings.output_prefix):
        return f"it lies below the output prefix {settings.output_prefix}"
    if not key.startswith(settings.input_prefix):
        return f"it does not lie below the input prefix {settings.input_prefix}"
    return "it stands for a folder" if key.endswith("/") else None


def _download(function: Function, s3_object: S3Object) -> bytes:
    """The object's content; updates `s3_object.identity` to what was really read.

    Raises:
        InputError: `object-gone`, `object-empty`.
        PayloadTooLargeError: `object-too-large`, before anything is downloaded.
    """
    limit_bytes = function.settings.max_object_bytes
    _check_size(s3_object, s3_object.size_bytes, limit_bytes)
    client = function.s3
    try:
        response = client.get_object(Bucket=s3_object.bucket, Key=s3_object.key)
    except client.exceptions.NoSuchKey as error:
        raise InputError(
            GONE,
            f"s3://{s3_object.bucket}/{s3_object.key} is not there any more",
            hint="upload it again if it was deleted by mistake",
        ) from error
    version = response.get("VersionId")
    if version in {None, "null"}:
        version = response["ETag"].strip('"')
    s3_object.identity = version
    _check_size(s3_object, response["ContentLength"], limit_bytes)
    check_not_empty(s3_object, response["ContentLength"])
    body: bytes = response["Body"].read()
    return body


def _check_size(s3_object: S3Object, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise PayloadTooLargeError(
            "object-too-large",
            f"s3://{s3_object.bucket}/{s3_object.key} is too large",
            expected=f"at most {limit_bytes:,} bytes",
            received=f"{size_bytes:,} bytes",
            hint="upload it smaller, or raise max_object_bytes and memory_mib in function.toml",
        )


def check_not_empty(s3_object: S3Object, size_bytes: int) -> None:
    """Refuses an object without content.

    Raises:
        InputError: `object-empty`.
    """
    if size_bytes == 0:
        raise InputError(
            "object-empty",
            f"s3://{s3_object.bucket}/{s3_object.key or 'an object without a key'} is empty",
            hint="upload the picture again",
        )


def _result_key(function: Function, s3_object: S3Object) -> str:
    settings = function.settings
    identity = s3_object.identity.strip(chr(34))
    if s3_object.key is None:
        return f"{settings.output_prefix}{identity}.json"
    name = s3_object.key.removeprefix(settings.input_prefix)
    key = f"{settings.output_prefix}{name}.{identity}.json"
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    digest = hashlib.sha256(f"{name}.{s3_object.identity}".encode()).hexdigest()
    return f"{settings.output_prefix}{digest}.json"


def create_client() -> Any:
    """A botocore S3 client with timeouts that leave a function time to report a failure."""
    from botocore.config import Config
    from botocore.session import Session

    # A session of its own: a shared one would keep credentials beyond this client's life
    return Session().create_client(
        "s3",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "max_attempts": 2},
        ),
    )
