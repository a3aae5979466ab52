"""CloudEvents, as Knative delivers them, to a server process, with a real S3 API over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from tests.exposition import parse
from tests.integration.triggers.conftest import Bucket

from liteship import Function
from liteship.deploy.local.events import Kind, create_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., Any]
    Deliver = Callable[..., httpx.Response]

KEY = "incoming/zwei drei+vier/é 7.png"
BUCKET = "uploads"
UPLOADS = {
    "LITESHIP_S3_INPUT_PREFIX": "incoming/",
    "LITESHIP_S3_OUTPUT_PREFIX": "results/",
    "LITESHIP_S3_BUCKET": BUCKET,
}
MAX_BODY_BYTES = 50_000
STRUCTURED = {"content-type": "application/cloudevents+json"}
CAMEL = "org.apache.camel.event.aws.s3.getObject"
# https://github.com/knative-extensions/eventing-integrations/tree/main/aws-sqs-source
SQS = {"type": "dev.knative.eventing.aws-sqs", "source": "dev.knative.eventing.aws-sqs-source"}
# https://github.com/knative-extensions/eventing-integrations/tree/main/aws-s3-source
S3 = {
    "type": "dev.knative.eventing.aws-s3",
    "source": "dev.knative.eventing.aws-s3-source",
    "subject": "aws-s3-source",
}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """The one bucket whose events the server takes; empty."""
    bucket = Bucket(BUCKET)
    yield bucket
    for key in bucket.contents():
        bucket.client.delete_object(Bucket=BUCKET, Key=key)
    bucket.client.close()


@pytest.fixture(scope="module")
def server(start_server: Start) -> Any:
    return start_server(**UPLOADS, LITESHIP_MAX_BODY_BYTES=str(MAX_BODY_BYTES))


@pytest.fixture
def deliver(server: Any) -> Deliver:
    """Posts an event and requires that it was taken, with the empty body that a Broker expects."""

    def deliver(body: bytes, headers: dict[str, str], query: str = "") -> httpx.Response:
        response = httpx.post(f"{server.url}/{query}", content=body, headers=headers)
        assert (response.status_code, response.content) == (200, b""), response.text
        assert not [name for name in response.headers if name.startswith("ce-")]
        return response

    return deliver


def binary(content_type: str = "application/json", **attributes: str) -> dict[str, str]:
    values = {"specversion": "1.0", "id": "one", "type": "t", "source": "s"} | attributes
    encoded = {f"ce-{name}": quote(value, safe="/:.") for name, value in values.items()}
    return encoded | {"content-type": content_type}


def structured(data: object) -> bytes:
    attributes = {"specversion": "1.0", "id": "one", "type": "t", "source": "s"}
    return json.dumps(attributes | {"data": data}).encode()


def camel(bucket: Bucket, key: str) -> dict[str, str]:
    source = f"aws.s3.bucket.{bucket.name}"
    return binary("image/png", type=CAMEL, source=source, subject=key)


def etag_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def seven(bucket: Bucket, result_key: str) -> dict[str, Any]:
    """The bucket's only result, which must be at this key and say that the picture is a seven."""
    (found,) = bucket.results().items()
    assert found[0] == result_key
    assert found[1]["predictions"][0]["label"] == "7"
    return found[1]


def from_minio(record: dict[str, Any]) -> object:
    # https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html
    record |= {"eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "eventVersion": "2.0"}
    return {"EventName": "s3:ObjectCreated:Put", "Key": "some", "Records": [record]}


TELLS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a notification": lambda record: {"Records": [record]},
    "MinIO's notification": from_minio,
    "Ceph's notification": lambda record: {"Records": [record | {"eventSource": "ceph:s3"}]},
    "one record": lambda record: record,
    "the record's s3 part": lambda record: record["s3"],
}


@pytest.mark.parametrize("form", TELLS)
@pytest.mark.parametrize("mode", ["binary", "structured", "text in structured"])
def test_an_upload_that_is_told_of(
    mode: str, form: str, bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    record = bucket.put(KEY, digit_png)
    etag = record["s3"]["object"]["eTag"]
    data = TELLS[form](record)
    if mode == "binary":
        deliver(json.dumps(data).encode(), binary(**SQS))
    else:
        deliver(structured(data if mode == "structured" else json.dumps(data)), STRUCTURED)
    assert seven(bucket, f"results/zwei drei+vier/é 7.png.{etag}.json")["key"] == KEY


def test_an_upload_that_eventbridge_tells_of(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    bucket.put(KEY, digit_png)
    event = create_event(Kind.EVENTBRIDGE, bucket=bucket.name, key=KEY, body=digit_png)
    deliver(json.dumps(event).encode(), binary(**SQS))
    seven(bucket, f"results/zwei drei+vier/é 7.png.{etag_of(digit_png)}.json")


def test_the_test_event_of_a_new_notification_is_acknowledged(bucket: Bucket, deliver: Deliver) -> None:
    deliver(json.dumps(create_event(Kind.S3_TEST, bucket=bucket.name)).encode(), binary(**SQS))
    assert bucket.keys() == []


def test_what_is_removed_is_ignored_with_a_warning(
    bucket: Bucket, deliver: Deliver, server: Any
) -> None:
    record = bucket.record("incoming/gone.png") | {"eventName": "s3:ObjectRemoved:Delete"}
    deliver(json.dumps({"Records": [record]}).encode(), binary(id="removed"))
    assert bucket.keys() == []
    (line,) = [each for each in server.log_lines() if each.get("message_id") == "removed"]
    assert (line["level"], line["event"]) == ("WARNING", "ObjectRemoved:Delete")


def test_content_has_the_result_that_a_notification_of_it_has(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    deliver(digit_png, camel(bucket, KEY))
    by_content = bucket.contents()
    deliver(json.dumps({"Records": [bucket.put(KEY, digit_png)]}).encode(), binary(**SQS))
    assert bucket.contents() == by_content | {KEY: digit_png}
    seven(bucket, f"results/zwei drei+vier/é 7.png.{etag_of(digit_png)}.json")


def test_the_event_that_liteship_prints(bucket: Bucket, deliver: Deliver, digit_png: bytes) -> None:
    event = create_event(Kind.CLOUDEVENT, bucket=bucket.name, key=KEY, body=digit_png)
    deliver(json.dumps(event).encode(), STRUCTURED)
    seven(bucket, f"results/zwei drei+vier/é 7.png.{etag_of(digit_png)}.json")


def test_an_event_without_its_content_is_read_from_the_bucket(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    bucket.put(KEY, digit_png)
    deliver(b"", camel(bucket, KEY))
    seven(bucket, f"results/zwei drei+vier/é 7.png.{etag_of(digit_png)}.json")


def test_content_without_a_key_is_named_after_itself(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    deliver(digit_png, binary("image/png", **S3), f"?bucket={bucket.name}")
    result = seven(bucket, f"results/{etag_of(digit_png)}.json")
    assert (result["bucket"], result["key"]) == (bucket.name, None)


def test_a_source_may_name_the_key_in_headers_of_its_own(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    own = {"aws.s3.bucket.name": bucket.name, "aws.s3.key": "incoming/a b%207.png"}
    deliver(digit_png, binary("image/png", **S3) | own, "?bucket=another")
    seven(bucket, f"results/a b%207.png.{etag_of(digit_png)}.json")


@pytest.mark.parametrize("key", ["results/7.png.0.json", "elsewhere/7.png", "incoming/deeper/"])
def test_content_of_what_is_no_upload_is_ignored(
    key: str, bucket: Bucket, deliver: Deliver, digit_png: bytes, server: Any
) -> None:
    deliver(digit_png, camel(bucket, key))
    assert bucket.keys() == []
    lines = [each for each in server.log_lines() if each.get("key") == key]
    assert [(line["level"], line["bucket"]) for line in lines] == [("WARNING", BUCKET)]


@pytest.mark.parametrize(
    ("content", "reference"),
    [
        (b"\x89PNG\r\n\x1a\nbroken", "image-broken"),
        (b"%PDF-1.7", "tensor-size"),
        (b'{"inputs": [NaN]}', "json-not-finite"),
        (b'{"Records": []}', "json-form"),
        (b"\x89PNG\r\n\x1a\n".ljust(MAX_BODY_BYTES + 1, b"x"), "body-too-large"),
        (b"\x89PNG\r\n\x1a\n".ljust(3_000_000, b"x"), "body-too-large"),
    ],
)
def test_content_that_cannot_be_answered_has_an_error_for_a_result(
    content: bytes, reference: str, bucket: Bucket, deliver: Deliver
) -> None:
    for _ in range(2):  # as a source that missed the answer would
        deliver(content, camel(bucket, "incoming/7.png"))
    (found,) = bucket.results().items()
    assert found[0] == f"results/7.png.{etag_of(content)}.json"
    assert found[1]["reference"] == reference
    assert found[1]["hint"]


def test_content_that_is_empty_has_an_error_for_a_result(bucket: Bucket, deliver: Deliver) -> None:
    deliver(b"", binary(**S3), f"?bucket={bucket.name}")
    (result,) = bucket.results().values()
    assert result["reference"] == "object-empty"


def test_delivered_again_and_twice_at_once_is_answered_once(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    told = json.dumps({"Records": [bucket.put("incoming/told.png", digit_png)]}).encode()
    events = [(told, binary(**SQS)), (digit_png, camel(bucket, "incoming/sent.png"))]
    for event in events:
        deliver(*event)
    before = bucket.contents()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: deliver(*event), events * 4))
    assert bucket.contents() == before
    assert len(bucket.results()) == 2


REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "another version": (b"{}", binary(specversion="0.3"), 400, "event-version"),
    "no id": (b"{}", binary(id=""), 400, "event-invalid"),
    "no attributes": (b"{}", {"ce-anything": "1"}, 400, "event-version"),
    "half a structure": (b'{"id"', STRUCTURED, 400, "json-invalid"),
    "a batch": (
        b"[]",
        {"content-type": "application/cloudevents-batch+json"},
        415,
        "event-mode",
    ),
    "of something else": (b'{"a": 1}', binary(), 400, "event-unknown"),
    "content of no bucket": (b"\x89PNG\r\n\x1a\n", binary("image/png", **S3), 400, "event-unknown"),
    "a record that is broken": (b'{"Records": [{"s3": {}}]}', binary(**SQS), 400, "event-invalid"),
    "a deletion on EventBridge": (
        json.dumps({"detail-type": "Object Deleted", "source": "aws.s3"}).encode(),
        binary(**SQS),
        400,
        "event-type",
    ),
    "a bucket without a name": (b"x", binary(source="aws.s3.bucket."), 400, "event-unknown"),
    "too large for a structure": (bytes(MAX_BODY_BYTES + 1), STRUCTURED, 413, "body-too-large"),
    "too large, of no bucket": (bytes(MAX_BODY_BYTES + 1), binary(), 413, "body-too-large"),
}
# 404, 408, 409, 429 and 5xx are delivered again
# (https://github.com/knative/eventing/blob/main/pkg/kncloudevents/retries.go)
NOT_AGAIN = {400, 413, 415}


@pytest.mark.parametrize("name", REFUSED)
def test_what_never_can_be_answered_is_refused_for_good(name: str, server: Any) -> None:
    body, headers, status, reference = REFUSED[name]
    response = httpx.post(f"{server.url}/", content=body, headers=headers)
    assert (response.status_code, response.json()["reference"]) == (status, reference)
    assert response.json()["hint"]
    assert status in NOT_AGAIN
    assert "retry-after" not in response.headers


@pytest.fixture
def others(bucket: Bucket, digit_png: bytes) -> Iterator[Bucket]:
    """A bucket that the function's credentials reach, and its events must not."""
    others = Bucket("others")
    others.put("incoming/7.png", digit_png)
    yield others
    others.client.close()


def foreign(event: str, others: Bucket, png: bytes) -> tuple[bytes, dict[str, str], str]:
    """An event of that bucket: body, headers and query."""
    told = json.dumps({"Records": [others.record("incoming/7.png")]}).encode()
    first = json.dumps(
        {"Records": [others.record("incoming/7.png") | each for each in ({}, {"eventName": "x"})]}
    ).encode()
    eventbridge = create_event(Kind.EVENTBRIDGE, bucket=others.name, key="incoming/7.png", body=png)
    return {
        "told": (told, binary(), ""),
        "told with others": (first, binary(), ""),
        "eventbridge": (json.dumps(eventbridge).encode(), binary(), ""),
        "structured": (structured(json.loads(told)), STRUCTURED, ""),
        "sent": (png, camel(others, "incoming/7.png"), ""),
        "without content": (b"", camel(others, "incoming/7.png"), ""),
        "in the URL": (png, binary(), f"?bucket={others.name}"),
        "in a header": (png, binary() | {"aws.s3.bucket.name": others.name}, f"?bucket={BUCKET}"),
        "too large": (bytes(MAX_BODY_BYTES + 1), camel(others, "incoming/7.png"), ""),
    }[event]


@pytest.mark.parametrize(
    "event",
    [
        *("told", "told with others", "eventbridge", "structured", "sent", "without content"),
        *("in the URL", "in a header", "too large"),
    ],
)
def test_an_event_leads_to_no_other_bucket(
    event: str, others: Bucket, server: Any, digit_png: bytes
) -> None:
    """Whoever reaches the server can send one; the credentials may reach further than they should."""
    before = others.contents()
    body, headers, query = foreign(event, others, digit_png)
    response = httpx.post(f"{server.url}/{query}", content=body, headers=headers)
    assert (response.status_code, response.json()["reference"]) == (400, "bucket-other")
    assert BUCKET not in response.text
    assert others.contents() == before


ACCESS_POINT = "arn:aws:s3:us-east-1:123456789012:accesspoint/strangers"

HOSTILE: dict[str, dict[str, Any]] = {
    "another's access point": {"bucket": {"name": ACCESS_POINT}},
    "a bucket that is a path": {"bucket": {"name": f"{BUCKET}/../others"}},
    "a bucket that is a list": {"bucket": {"name": [BUCKET]}},
    "a bucket that is nothing": {"bucket": {"name": None}},
    "out of the prefix": {"object": {"key": "incoming/../others/7.png"}},
    "out of the prefix, encoded": {"object": {"key": "incoming/%2e%2e/others/7.png"}},
    "a key of half a character": {"object": {"key": "incoming/\ud800"}},
    "a key with a null byte": {"object": {"key": "incoming/%00"}},
    "a key that is too long": {"object": {"key": "incoming/".ljust(1025, "k")}},
    "a key that is no text": {"object": {"key": 7}},
    "a size without end": {"object": {"key": "incoming/7.png", "size": float("inf")}},
    "an ETag that is a path": {"object": {"key": "incoming/7.png", "eTag": "../other"}},
    "an ETag that is an object": {"object": {"key": "incoming/7.png", "eTag": {"a": 1}}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_bucket_says_is_refused_before_s3_is_asked(
    name: str, bucket: Bucket, server: Any
) -> None:
    s3 = bucket.record("incoming/7.png")["s3"] | HOSTILE[name]
    # As json.dumps writes it, an infinity is no JSON; a number without end is read as none, either
    told = json.dumps({"Records": [{"eventVersion": "2.1", "s3": s3}]}).replace("Infinity", "1e999")
    response = httpx.post(f"{server.url}/", content=told.encode(), headers=binary())
    assert response.status_code == 400
    assert response.json()["reference"] in {"event-invalid", "event-unknown", "bucket-other"}
    assert bucket.keys() == []


def test_an_event_keeps_no_worker_busy_for_ever(bucket: Bucket, server: Any) -> None:
    told = json.dumps({"Records": [bucket.record("incoming/7.png")] * 101}).encode()
    response = httpx.post(f"{server.url}/", content=told, headers=binary())
    assert (response.status_code, response.json()["received"]) == (400, "101")
    assert bucket.keys() == []


def test_a_size_that_is_told_is_not_believed(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    record = bucket.put(KEY, digit_png)
    record["s3"]["object"]["size"] = 10**15
    deliver(json.dumps({"Records": [record]}).encode(), binary(**SQS))
    seven(bucket, f"results/zwei drei+vier/é 7.png.{etag_of(digit_png)}.json")


def test_an_object_that_is_gone_keeps_its_result(
    bucket: Bucket, deliver: Deliver, digit_png: bytes
) -> None:
    told = json.dumps({"Records": [bucket.put("incoming/7.png", digit_png)]}).encode()
    deliver(told, binary(**SQS))
    bucket.client.delete_object(Bucket=BUCKET, Key="incoming/7.png")
    before = bucket.contents()
    deliver(told, binary(**SQS))
    assert bucket.contents() == before
    seven(bucket, f"results/7.png.{etag_of(digit_png)}.json")


def test_without_a_bucket_no_event_is_taken(start_server: Start, digit_png: bytes) -> None:
    server = start_server(**UPLOADS | {"LITESHIP_S3_BUCKET": ""})
    headers = binary("image/png", source=f"aws.s3.bucket.{BUCKET}", subject="incoming/7.png")
    response = httpx.post(f"{server.url}/", content=digit_png, headers=headers)
    assert (response.status_code, response.json()["reference"]) == (400, "bucket-unset")


def test_what_is_no_event_is_no_method_of_the_page(server: Any, digit_png: bytes) -> None:
    response = httpx.post(f"{server.url}/", content=digit_png, headers={"content-type": "image/png"})
    assert (response.status_code, response.json()["reference"]) == (405, "route-unknown")


def test_a_function_without_uploads_says_so(start_server: Start) -> None:
    response = httpx.post(f"{start_server().url}/", content=b"{}", headers=binary())
    assert (response.status_code, response.json()["reference"]) == (400, "uploads-not-answered")


@pytest.mark.parametrize(("environ", "status"), [({}, 418), (UPLOADS, 200)])
def test_a_route_of_the_users_own_takes_events_unless_uploads_are_answered(
    environ: dict[str, str], status: int, function_folder: Path
) -> None:
    from fastapi import FastAPI, Response

    def extend(app: FastAPI) -> None:
        app.add_api_route("/", lambda: Response(status_code=418), methods=["POST"])

    function = Function(str(function_folder / "app.py"), extend=extend, environ=environ)

    async def ask(**headers: str) -> int:
        transport = httpx.ASGITransport(function.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = b'{"Event": "s3:TestEvent"}'
            return (await client.post("/", content=body, headers=headers)).status_code

    assert asyncio.run(ask(**binary())) == status
    assert asyncio.run(ask()) == 418


def is_to_come_again(response: httpx.Response, reference: str) -> None:
    assert (response.status_code, response.json()["reference"]) == (503, reference)
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_an_outage_is_to_come_again(
    bucket: Bucket, start_server: Start, closed_port: int, digit_png: bytes
) -> None:
    server = start_server(**UPLOADS, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{closed_port}")
    told = json.dumps({"Records": [bucket.put("incoming/7.png", digit_png)]}).encode()
    for body, headers in ((told, binary()), (digit_png, camel(bucket, "incoming/7.png"))):
        response = httpx.post(f"{server.url}/", content=body, headers=headers, timeout=60)
        is_to_come_again(response, "s3-unavailable")
    failures = [line for line in server.log_lines() if line["level"] == "ERROR"]
    assert [line["message_id"] for line in failures] == ["one", "one"]
    assert all("EndpointConnectionError" in line["error"] for line in failures)


def test_a_bucket_that_is_not_there_is_to_come_again(start_server: Start, digit_png: bytes) -> None:
    server = start_server(**UPLOADS | {"LITESHIP_S3_BUCKET": "not-there"})
    headers = binary("image/png", source="aws.s3.bucket.not-there", subject="incoming/7.png")
    is_to_come_again(httpx.post(f"{server.url}/", content=digit_png, headers=headers), "s3-unavailable")


def test_a_model_that_is_not_ready_is_to_come_again(
    bucket: Bucket, function_folder: Path, start_server: Start, digit_png: bytes
) -> None:
    (function_folder / "model" / "golden.bin.zlib").write_bytes(b"")
    server = start_server(function_folder, **UPLOADS)
    response = httpx.post(f"{server.url}/", content=digit_png, headers=camel(bucket, "incoming/7.png"))
    is_to_come_again(response, "artifact-golden")
    assert bucket.keys() == []


@pytest.fixture
def slow_s3() -> Iterator[Any]:
    """An S3 that takes a result, and says so only once it is allowed to."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.set()
            allowed.wait(60)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    asked, allowed = threading.Event(), threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked, allowed
        allowed.set()
        server.shutdown()
        thread.join()


def test_a_full_queue_is_to_come_again_and_what_was_taken_is_finished(
    slow_s3: Any, start_server: Start, bucket: Bucket, digit_png: bytes
) -> None:
    address, asked, allowed = slow_s3
    server = start_server(
        **UPLOADS,
        AWS_ENDPOINT_URL_S3=address,
        LITESHIP_WORKERS="1",
        LITESHIP_QUEUE="0",
        LITESHIP_DRAIN_S="0",
    )

    def send() -> httpx.Response:
        headers = camel(bucket, "incoming/7.png")
        return httpx.post(f"{server.url}/", content=digit_png, headers=headers, timeout=60)

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(send)
        assert asked.wait(60)
        is_to_come_again(send(), "queue-full")
        server.process.send_signal(signal.SIGTERM)
        while "shutting down" not in server.log.read_text():
            assert server.process.poll() is None
            time.sleep(0.01)
        allowed.set()
        assert taken.result().status_code == 200
    assert server.process.wait(60) == 0


def test_events_are_counted(start_server: Start, bucket: Bucket, digit_png: bytes) -> None:
    server = start_server(**UPLOADS)
    for body, headers in ((digit_png, camel(bucket, "incoming/7.png")), (b"{}", binary())):
        httpx.post(f"{server.url}/", content=body, headers=headers)
    families = parse(httpx.get(f"{server.url}/metrics").text)
    model = {"model": "digits", "version": "1"}
    requests = families["liteship_requests_total"]
    assert [requests.value(status=status, **model) for status in ("200", "400")] == [1, 1]
    assert families["liteship_predictions_total"].value(**model) == 1


def test_botocore_is_imported_with_the_first_object_only(run_python: Callable[..., str]) -> None:
    script = """
import asyncio, json, sys
from app import handler
async def ask():
    sent = []
    async def receive():
        return {"type": "http.request", "body": b'{"Event": "s3:TestEvent"}'}
    async def send(message):
        sent.append(message)
    names = {"specversion": "1.0", "id": "1", "type": "t", "source": "s"}
    headers = [(f"ce-{name}".encode(), value.encode()) for name, value in names.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await handler.asgi(scope, receive, send)
    return sent[0]["status"]
print(asyncio.run(ask()), "botocore" in sys.modules, "fastapi" in sys.modules)
"""
    *_, last = run_python(script, **UPLOADS).splitlines()
    assert last == "200 False False"
