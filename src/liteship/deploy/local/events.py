"""Events as AWS and Knative send them: for the emulator, for a deployed function, and for tests.

The same arguments give the same event: times and identifiers are made up.
"""

from __future__ import annotations

import base64
import hashlib
import json
from enum import StrEnum
from typing import Any
from urllib.parse import quote_plus

from liteship.errors import ConfigurationError
from liteship.runtime.codecs import sniff_media_type
from liteship.runtime.http_event import http_event

__all__ = ["Kind", "create_event", "http_event", "s3_event"]

ACCOUNT, REGION, TIME = "123456789012", "eu-west-1", "1970-01-01T00:00:00.000Z"
SEQUENCER = "0055AED6DCD90281E5"


class Kind(StrEnum):
    """What `create_event` makes."""

    HTTP = "http"
    HTTP_V1 = "http-v1"
    FUNCTION_URL = "function-url"
    S3 = "s3"
    S3_TEST = "s3-test"
    SQS = "sqs"
    EVENTBRIDGE = "eventbridge"
    CLOUDEVENT = "cloudevent"

    @property
    def is_http(self) -> bool:
        """Whether it is a request; every other kind tells of an upload."""
        return self in {Kind.HTTP, Kind.HTTP_V1, Kind.FUNCTION_URL}


def create_event(
    kind: Kind,
    *,
    body: bytes | None = None,
    method: str | None = None,
    path: str | None = None,
    bucket: str | None = None,
    key: str | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """Makes one event.

    Args:
        kind: Which.
        body: A request's body, or the content of the object that was uploaded.
        method: Of a request; POST where there is a body, else GET.
        path: Of a request; `/predict` where there is a body, else `/health/ready`.
        bucket: Of an upload.
        key: Of an upload, as people write it: encoded here where the kind wants it so.
        count: How often the event tells of the same upload: records (`s3`) or messages (`sqs`).

    Raises:
        ConfigurationError: `event-option` for an argument that the kind has no use for.
    """
    given = {"method": method, "path": path, "bucket": bucket, "key": key, "count": count}
    useless = {"bucket", "key", "count"} if kind.is_http else {"method", "path"}
    if kind not in {Kind.S3, Kind.SQS}:
        useless.add("count")
    if wrong := [f"--{name}" for name in given if name in useless and given[name] is not None]:
        raise ConfigurationError(
            "event-option",
            f"an event of kind {kind} has no {', '.join(wrong)}",
            hint="leave it out; liteship event --help says which options belong to which kinds",
        )
    if kind.is_http:
        return _request_event(kind, body or b"", method, path)
    bucket, key, content = bucket or "uploads", key or "incoming/picture.png", body or b""
    if kind is Kind.S3_TEST:
        return _s3_test_event(bucket)
    if kind is Kind.EVENTBRIDGE:
        return _eventbridge_event(bucket, key, content)
    if kind is Kind.CLOUDEVENT:
        return _cloudevent(bucket, key, content)
    notification = s3_event(bucket, key, len(content), _etag(content))
    if kind is Kind.SQS:
        return _sqs_event(json.dumps(notification), count or 1)
    return {"Records": notification["Records"] * (count or 1)}


def s3_event(bucket: str, key: str, size_bytes: int, etag: str) -> dict[str, Any]:
    """An S3 notification of one new object; its key is form-encoded, as S3 does.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": TIME,
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "liteship",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": size_bytes,
                        "eTag": etag,
                        "sequencer": SEQUENCER,
                    },
                },
            }
        ]
    }


def _request_event(kind: Kind, body: bytes, method: str | None, path: str | None) -> dict[str, Any]:
    method = (method or ("POST" if body else "GET")).upper()
    path = path or ("/predict" if body else "/health/ready")
    content_type = sniff_media_type(body) if body else ""
    if kind is Kind.HTTP_V1:
        return _http_v1_event(method, path, body, content_type)
    if kind is Kind.FUNCTION_URL:
        domain = f"example.lambda-url.{REGION}.on.aws"
        return http_event(method, path, body, content_type, domain)
    return http_event(method, path, body, content_type)


def _http_v1_event(method: str, path: str, body: bytes, content_type: str) -> dict[str, Any]:
    """Payload version 1.0, as REST APIs send it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    domain = f"example.execute-api.{REGION}.amazonaws.com"
    headers = {"Content-Type": content_type, "Host": domain}
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "example",
            "domainName": domain,
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "liteship"},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "example-request",
            "requestTimeEpoch": 0,
            "resourcePath": "/{proxy+}",
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _s3_test_event(bucket: str) -> dict[str, Any]:
    """What S3 sends once, when a notification is configured; as above."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": TIME,
        "Bucket": bucket,
        "RequestId": "EXAMPLEREQUEST",
        "HostId": "example-host",
    }


def _sqs_event(body: str, count: int) -> dict[str, Any]:
    """A batch of messages with the same body.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    message = {
        "receiptHandle": "example-receipt",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "0",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "0",
        },
        "messageAttributes": {},
        "md5OfBody": _etag(body.encode()),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:uploads",
        "awsRegion": REGION,
    }
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1, count + 1)]
    return {"Records": [{"messageId": message_id, **message} for message_id in ids]}


def _eventbridge_event(bucket: str, key: str, content: bytes) -> dict[str, Any]:
    """S3's own event on EventBridge; its key is not encoded.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    return {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000001",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": TIME,
        "region": REGION,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": len(content),
                "etag": _etag(content),
                "sequencer": SEQUENCER,
            },
            "request-id": "EXAMPLEREQUEST",
            "requester": ACCOUNT,
            "source-ip-address": "192.0.2.1",
            "reason": "PutObject",
        },
    }


def _cloudevent(bucket: str, key: str, content: bytes) -> dict[str, Any]:
    """CloudEvents 1.0, structured, with the object in it, as Camel's S3 source gives it to Knative.

    https://knative.dev/blog/articles/consuming_s3_data_with_knative/
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "00000000-0000-4000-8000-000000000001",
        "type": "org.apache.camel.event.aws.s3.getObject",
        "source": f"aws.s3.bucket.{bucket}",
        "subject": key,
        "time": TIME,
    }
    if content:
        event["datacontenttype"] = sniff_media_type(content)
        event["data_base64"] = base64.b64encode(content).decode()
    return event


def _etag(content: bytes) -> str:
    """S3's ETag of an object that was put whole, and SQS' digest of a body: no secret."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
