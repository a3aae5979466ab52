from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from liteship.deploy.local.events import Kind, create_event, s3_event
from liteship.errors import ConfigurationError

EVENTS = Path(__file__).parents[3] / "data" / "events"
BUCKET, KEY = "liteship-uploads", "incoming/zwei drei+vier/é 7.png"
FILES = {
    "http_v1": Kind.HTTP_V1,
    "http_v2": Kind.HTTP,
    "function_url": Kind.FUNCTION_URL,
    "s3_put": Kind.S3,
    "s3_test": Kind.S3_TEST,
    "sqs": Kind.SQS,
    "eventbridge": Kind.EVENTBRIDGE,
    "cloudevent": Kind.CLOUDEVENT,
}


def committed(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def picture() -> bytes:
    return base64.b64decode(committed("http_v2")["body"])


def test_every_kind_has_its_file() -> None:
    assert set(FILES.values()) == set(Kind)
    assert {path.stem for path in EVENTS.glob("*.json")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_committed_events_are_what_is_generated(name: str, picture: bytes) -> None:
    kind = FILES[name]
    of_upload: dict[str, Any] = {} if kind.is_http else {"bucket": BUCKET, "key": KEY}
    assert create_event(kind, body=picture, **of_upload) == committed(name)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.is_http])
def test_without_a_body_a_request_asks_for_readiness(kind: Kind) -> None:
    event = create_event(kind)
    context = event["requestContext"]
    asked = context.get("http") or {"method": event["httpMethod"], "path": event["path"]}
    assert (asked["method"], asked["path"], event["body"]) == ("GET", "/health/ready", "")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.is_http])
def test_method_and_path_are_the_callers(kind: Kind) -> None:
    text = json.dumps(create_event(kind, body=b"{}", method="put", path="/elsewhere"))
    assert '"PUT"' in text
    assert '"/elsewhere"' in text
    assert "application/json" in text
    assert '"/predict"' not in text


def test_a_key_is_encoded_where_s3_does_and_nowhere_else(picture: bytes) -> None:
    def made(kind: Kind) -> Any:
        return create_event(kind, bucket=BUCKET, key=KEY, body=picture)

    encoded = "incoming/zwei+drei%2Bvier/%C3%A9+7.png"
    notification = made(Kind.S3)
    assert notification["Records"][0]["s3"]["object"]["key"] == encoded
    (message,) = made(Kind.SQS)["Records"]
    assert json.loads(message["body"]) == notification
    assert made(Kind.EVENTBRIDGE)["detail"]["object"]["key"] == KEY
    assert made(Kind.CLOUDEVENT)["subject"] == KEY


def test_size_and_etag_are_the_bodys(picture: bytes) -> None:
    etag = hashlib.md5(picture, usedforsecurity=False).hexdigest()
    event = create_event(Kind.S3, bucket=BUCKET, key=KEY, body=picture)
    assert event == s3_event(BUCKET, KEY, len(picture), etag)
    detail = create_event(Kind.EVENTBRIDGE, body=picture)["detail"]["object"]
    assert (detail["size"], detail["etag"]) == (len(picture), etag)


@pytest.mark.parametrize("kind", [Kind.S3, Kind.SQS])
def test_a_count_repeats_the_upload(kind: Kind) -> None:
    records = create_event(kind, count=3)["Records"]
    assert len(records) == 3
    ids = {record.pop("messageId", None) for record in records}
    assert records[0] == records[1] == records[2]
    assert len(ids) == (3 if kind is Kind.SQS else 1)


def test_a_cloudevent_carries_the_object(picture: bytes) -> None:
    event = create_event(Kind.CLOUDEVENT, bucket=BUCKET, key=KEY, body=picture)
    assert base64.b64decode(event["data_base64"]) == picture
    assert event["datacontenttype"] == "image/png"
    # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#required-attributes
    for without in (event, create_event(Kind.CLOUDEVENT)):
        assert without.keys() >= {"id", "source", "specversion", "type"}
    assert "data_base64" not in create_event(Kind.CLOUDEVENT)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (Kind.HTTP, {"bucket": "b"}),
        (Kind.HTTP_V1, {"key": "k"}),
        (Kind.FUNCTION_URL, {"count": 2}),
        (Kind.S3, {"method": "GET"}),
        (Kind.SQS, {"path": "/"}),
        (Kind.EVENTBRIDGE, {"count": 1}),
        (Kind.S3_TEST, {"count": 1}),
        (Kind.CLOUDEVENT, {"path": "/"}),
    ],
)
def test_an_option_that_means_nothing_is_refused(kind: Kind, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        create_event(kind, **option)
    assert raised.value.reference == "event-option"
    assert f"--{next(iter(option))}" in raised.value.message
    assert kind in raised.value.message
