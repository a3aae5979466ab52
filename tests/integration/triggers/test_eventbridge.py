"""EventBridge events, as an S3 API over HTTP makes them of an upload."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from liteship.deploy.local.events import Kind, create_event
from liteship.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.triggers.conftest import Bucket

    from liteship import Function

    Context = Callable[[], object]

KEYS = ["incoming/zwei drei+vier/é 7.png", "incoming/100%25.png", "incoming/%FF.png"]
"""Decoding any of these once more would name another object, or none."""


@pytest.fixture
def events(bucket: Bucket, s3_server: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the bucket has told EventBridge, which keeps it in a queue."""
    clients = [boto3.client(name, endpoint_url=s3_server) for name in ("sqs", "events")]
    sqs, eventbridge = clients
    url = sqs.create_queue(QueueName=bucket.name)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
    eventbridge.put_rule(Name=bucket.name, EventPattern=json.dumps(pattern))
    targets = [{"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}]
    eventbridge.put_targets(Rule=bucket.name, Targets=targets)
    bucket.client.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )

    def received() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    yield received
    eventbridge.remove_targets(Rule=bucket.name, Ids=["queue"])
    eventbridge.delete_rule(Name=bucket.name)
    for client in clients:
        client.close()


@pytest.mark.parametrize("key", KEYS)
def test_an_upload_is_answered_under_its_own_key(
    key: str,
    bucket: Bucket,
    events: Callable[[], list[dict[str, Any]]],
    function: Function,
    lambda_context: Context,
    digit_png: bytes,
) -> None:
    etag = bucket.put(key, digit_png)["s3"]["object"]["eTag"]
    (event,) = events()
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    answer: Any = function(event, lambda_context())
    result_key = f"results/{key.removeprefix('incoming/')}.{etag}.json"
    assert answer == {"results": [{"bucket": bucket.name, "key": key, "result": result_key}]}
    assert bucket.results()[result_key]["predictions"][0]["label"] == "7"


def test_the_generators_event_says_the_same_as_the_apis(
    bucket: Bucket, events: Callable[[], list[dict[str, Any]]], digit_png: bytes
) -> None:
    bucket.put(KEYS[0], digit_png)
    (real,) = events()
    made = create_event(Kind.EVENTBRIDGE, bucket=bucket.name, key=KEYS[0], body=digit_png)
    assert made.keys() >= {"source", "detail-type", "detail", "region", "account"}
    assert made["detail"].keys() == real["detail"].keys()
    for name in ("key", "size"):
        assert real["detail"]["object"][name] == made["detail"]["object"][name]


def test_an_error_result_is_named_after_the_version(
    bucket: Bucket, function: Function, lambda_context: Context
) -> None:
    event = create_event(Kind.EVENTBRIDGE, bucket=bucket.name, key="incoming/gone.png")
    for field, value in (("sequencer", "0055AE"), ("etag", "e" * 32), ("version-id", "v1.x")):
        s3_object = {"key": "incoming/gone.png", "sequencer": "0055AE", field: value}
        event["detail"]["object"] = s3_object
        answer: Any = function(event, lambda_context())
        assert answer["results"][0]["result"] == f"results/gone.png.{value}.json"


@pytest.mark.parametrize(
    ("source", "detail_type"),
    [
        ("aws.s3", "Object Deleted"),
        ("aws.s3", None),
        ("my.s3", "Object Created"),
        ("aws.events", "Scheduled Event"),
        (None, ["Object Created"]),
    ],
)
def test_an_event_of_anything_else_is_refused(
    source: object, detail_type: object, function: Function, lambda_context: Context
) -> None:
    event = create_event(Kind.EVENTBRIDGE) | {"source": source, "detail-type": detail_type}
    with pytest.raises(InputError) as raised:
        function(event, lambda_context())
    assert raised.value.reference == "event-type"
    assert raised.value.expected == 'source "aws.s3", detail-type "Object Created"'


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {},
        {"bucket": {"name": "b"}},
        {"bucket": {"name": "b"}, "object": {"key": None}},
        {"bucket": {"name": 5}, "object": {"key": "k"}},
        {"bucket": {"name": "b"}, "object": {"key": "k", "size": "many"}},
        {"bucket": "b", "object": {"key": "k"}},
    ],
)
def test_an_event_that_cannot_be_read_is_refused(
    detail: object, function: Function, lambda_context: Context
) -> None:
    with pytest.raises(InputError) as raised:
        function(create_event(Kind.EVENTBRIDGE) | {"detail": detail}, lambda_context())
    assert raised.value.reference == "event-invalid"


def test_a_function_that_is_not_ready_raises(
    function_folder: Path, make_function: Callable[..., Function], lambda_context: Context
) -> None:
    (function_folder / "model" / "golden.bin.zlib").write_bytes(b"")
    with pytest.raises(NotReadyError):
        make_function()(create_event(Kind.EVENTBRIDGE), lambda_context())
