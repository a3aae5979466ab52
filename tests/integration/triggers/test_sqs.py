"""Batches from a real SQS API, which a real S3 API has filled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from liteship.deploy.local.events import Kind, create_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.triggers.conftest import Bucket

    from liteship import Function

    Deliver = Callable[..., list[str]]

AWKWARD_KEY = "incoming/zwei drei+vier/é 7.png"


class Queue:
    """A queue that a bucket notifies."""

    def __init__(self, address: str, bucket: Bucket) -> None:
        self.client = boto3.client("sqs", endpoint_url=address)
        self.url = self.client.create_queue(QueueName=bucket.name)["QueueUrl"]
        attributes = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]
        configuration = {"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"]}
        bucket.client.put_bucket_notification_configuration(
            Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": [configuration]}
        )

    def records(self) -> list[dict[str, Any]]:
        """Every message there is, as Lambda's poller hands it over."""
        found: list[dict[str, Any]] = []
        while messages := self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            found += [self.record(message["MessageId"], message["Body"]) for message in messages]
        return found

    def record(self, message_id: str, body: str) -> dict[str, Any]:
        return {
            "messageId": message_id,
            "receiptHandle": "r",
            "body": body,
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
        }


@pytest.fixture
def queue(bucket: Bucket, s3_server: str) -> Iterator[Queue]:
    queue = Queue(s3_server, bucket)
    yield queue
    queue.client.close()


@pytest.fixture
def deliver(function: Function, lambda_context: Callable[[], object]) -> Deliver:
    """Delivers a batch; gives the ids of the messages that failed."""

    def deliver(*records: dict[str, Any]) -> list[str]:
        answer: Any = function({"Records": list(records)}, lambda_context())
        assert answer.keys() == {"batchItemFailures"}
        assert all(failure.keys() == {"itemIdentifier"} for failure in answer["batchItemFailures"])
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    return deliver


def keys_answered(bucket: Bucket) -> list[str]:
    return sorted(result["key"] for result in bucket.results().values())


def errors_logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.get("message") == "refused"]


def test_what_s3_told_the_queue_is_answered(
    bucket: Bucket, queue: Queue, deliver: Deliver, digit_png: bytes
) -> None:
    """The configuration's test event comes first, among the others."""
    for key in (AWKWARD_KEY, "incoming/7.png"):
        bucket.put(key, digit_png)
    records = queue.records()
    bodies = [json.loads(record["body"]) for record in records]
    assert [body.get("Event") for body in bodies].count("s3:TestEvent") == 1
    assert len(records) == 3
    assert deliver(*records) == []
    assert keys_answered(bucket) == ["incoming/7.png", AWKWARD_KEY]


def test_a_message_of_several_records(
    bucket: Bucket, queue: Queue, deliver: Deliver, digit_png: bytes
) -> None:
    found = [bucket.put(f"incoming/{number}.png", digit_png) for number in range(3)]
    assert deliver(queue.record("m", json.dumps({"Records": found}))) == []
    assert keys_answered(bucket) == [f"incoming/{number}.png" for number in range(3)]


def test_a_message_that_eventbridge_sent(
    bucket: Bucket, queue: Queue, deliver: Deliver, digit_png: bytes
) -> None:
    bucket.put(AWKWARD_KEY, digit_png)
    event = create_event(Kind.EVENTBRIDGE, bucket=bucket.name, key=AWKWARD_KEY, body=digit_png)
    assert deliver(queue.record("m", json.dumps(event))) == []
    assert keys_answered(bucket) == [AWKWARD_KEY]


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        ("hello", "json-invalid"),
        ("", "json-invalid"),
        ("\ud800", "json-invalid"),
        ("[1]", "message-unknown"),
        ("{}", "message-unknown"),
        ('{"Records": []}', "message-unknown"),
        ('{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}', "message-unknown"),
        ('{"Records": [{"eventSource": "aws:s3", "eventVersion": "2.1"}]}', "event-invalid"),
        ('{"source": "aws.ec2", "detail-type": "Something", "detail": {}}', "event-type"),
        (None, "message-unknown"),
    ],
)
def test_a_message_that_can_never_be_answered_fails_alone(
    body: str | None,
    reference: str,
    bucket: Bucket,
    queue: Queue,
    deliver: Deliver,
    digit_png: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = queue.record("whole", json.dumps({"Records": [bucket.put("incoming/7.png", digit_png)]}))
    broken = queue.record("broken", "") | {"body": body}
    capsys.readouterr()
    assert deliver(broken, whole) == ["broken"]
    assert keys_answered(bucket) == ["incoming/7.png"]
    (line,) = errors_logged(capsys)
    assert (line["message_id"], line["reference"], line["status"]) == ("broken", reference, 400)


def test_an_outage_fails_its_message_and_no_other(
    bucket: Bucket,
    queue: Queue,
    deliver: Deliver,
    digit_png: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [bucket.put(f"incoming/{number}.png", digit_png) for number in range(3)]
    found[1]["s3"]["bucket"]["name"] = "there-is-no-such-bucket"
    batch = [queue.record(f"m{n}", json.dumps({"Records": [each]})) for n, each in enumerate(found)]
    capsys.readouterr()
    assert deliver(*batch) == ["m1"]
    assert keys_answered(bucket) == ["incoming/0.png", "incoming/2.png"]
    (line,) = errors_logged(capsys)
    assert (line["level"], line["message_id"]) == ("ERROR", "m1")
    assert "NoSuchBucket" in line["error"]


def test_a_broken_object_has_its_result_and_is_not_delivered_again(
    bucket: Bucket, queue: Queue, deliver: Deliver
) -> None:
    record = bucket.put("incoming/7.png", b"\x89PNG\r\n\x1a\nbroken")
    assert deliver(queue.record("m", json.dumps({"Records": [record]}))) == []
    (result,) = bucket.results().values()
    assert result["reference"] == "image-broken"


def test_a_function_that_is_not_ready_fails_every_message(
    bucket: Bucket,
    queue: Queue,
    function_folder: Path,
    make_function: Callable[..., Function],
    lambda_context: Callable[[], object],
    digit_png: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (function_folder / "model" / "golden.bin.zlib").write_bytes(b"")
    record = bucket.put("incoming/7.png", digit_png)
    batch = [queue.record(f"m{number}", json.dumps({"Records": [record]})) for number in range(3)]
    answer = make_function()({"Records": batch}, lambda_context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": f"m{number}"} for number in range(3)]}
    assert bucket.results() == {}
    (line,) = errors_logged(capsys)
    assert (line["status"], line["reference"]) == (503, "artifact-golden")
