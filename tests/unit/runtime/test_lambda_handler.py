from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from liteship.errors import InputError, NotReadyError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from liteship import Function

    Make = Callable[..., Function]


@pytest.fixture
def function(make_function: Make, loop: asyncio.AbstractEventLoop) -> Function:
    return make_function()


def http_event(path: str = "/health/live", method: str = "GET", **fields: object) -> dict[str, Any]:
    http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"host": "example.com"},
        "requestContext": {"http": http, "stage": "$default"},
        **fields,
    }


UNKNOWN: dict[str, object] = {
    "nothing": None,
    "a number": 5,
    "a text": "hello",
    "a list": [{"eventSource": "aws:s3"}],
    "an empty object": {},
    "another object": {"key": "value"},
    "no records": {"Records": []},
    "records that are none": {"Records": "many"},
    "records of another source": {"Records": [{"eventSource": "aws:sns"}]},
    "records of two sources": {"Records": [{"eventSource": "aws:s3"}, {"eventSource": "aws:sqs"}]},
    "a record that is none": {"Records": [None]},
    "a context that is none": {"requestContext": None},
    "a context that is a text": {"requestContext": "http"},
    "a context without http": {"requestContext": {"eventType": "CONNECT"}},
    "http that is a text": {"requestContext": {"http": "GET"}},
    "a cloud event": {"specversion": "1.0", "type": "t", "source": "s", "subject": "k", "id": "1"},
    "records of a list": {"Records": [{"eventSource": ["aws:s3"]}]},
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_event_of_unknown_form_is_refused(
    name: str, function: Function, lambda_context: Callable[[], object]
) -> None:
    with pytest.raises(InputError) as raised:
        function(UNKNOWN[name], lambda_context())
    assert raised.value.reference == "event-unknown"
    assert raised.value.received


def test_the_test_event_of_a_bucket_is_acknowledged(
    function: Function,
    lambda_context: Callable[[], object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}
    assert function(event, lambda_context()) == {"results": []}
    assert '"bucket": "uploads"' in capsys.readouterr().out


def test_without_a_context_the_request_has_no_name(function: Function) -> None:
    answer: Any = function(http_event(), None)
    assert answer["statusCode"] == 200
    assert answer["headers"]["x-request-id"] == "unknown"


@pytest.mark.parametrize(
    ("stage", "path", "status"),
    [
        ("$default", "/health/live", 200),
        (None, "/health/live", 200),
        ("prod", "/prod/health/live", 200),
        ("prod", "/health/live", 200),  # behind a domain of its own
        ("health", "/health/health/live", 200),
        ("prod", "/production/health/live", 404),
        ("prod", "/prod", 200),  # the page
    ],
)
def test_a_stage_is_no_part_of_the_path(
    stage: str | None,
    path: str,
    status: int,
    function: Function,
    lambda_context: Callable[[], object],
) -> None:
    event = http_event(path)
    event["requestContext"]["stage"] = stage
    answer: Any = function(event, lambda_context())
    assert answer["statusCode"] == status


def test_a_stage_is_not_taken_out_of_the_callers_event(
    function: Function, lambda_context: Callable[[], object]
) -> None:
    event = http_event("/prod/health/live")
    event["requestContext"]["stage"] = "prod"
    before = json.dumps(event)
    function(event, lambda_context())
    assert json.dumps(event) == before


@pytest.mark.parametrize("path", ["/predict", "/nowhere"])
@pytest.mark.parametrize("body", ["!!!", "a", "QUJDR", "QUJDé", "QU JD"])
def test_a_body_that_is_not_base64_is_the_callers_mistake(
    path: str, body: str, function: Function, lambda_context: Callable[[], object]
) -> None:
    event = http_event(path, "POST", body=body, isBase64Encoded=True)
    context: Any = lambda_context()
    answer: Any = function(event, context)
    assert answer["statusCode"] == 400
    content = json.loads(answer["body"])
    assert content["reference"] == "base64-invalid"
    assert content["request_id"] == answer["headers"]["x-request-id"] == context.aws_request_id


@pytest.mark.parametrize("body", [{"inputs": [1]}, [1], 5, True])
def test_a_body_that_is_not_text_is_refused(
    body: object, function: Function, lambda_context: Callable[[], object]
) -> None:
    answer: Any = function(http_event("/predict", "POST", body=body), lambda_context())
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["reference"] == "event-body"


BROKEN: dict[str, dict[str, Any]] = {
    "headers that are a list": {"headers": ["a"]},
    "no header's value": {"headers": None, "multiValueHeaders": {"a": []}},
    "a method that is none": {"requestContext": {"http": {"method": None, "path": "/"}}},
    "a path that is no text": {"requestContext": {"http": {"method": "GET", "path": 5}}},
    "a stage that is none": {"requestContext": {"stage": [], "http": {"method": "GET", "path": "/"}}},
    "nobody who asks": {"requestContext": {"http": {"method": "GET", "path": "/nowhere"}}},
    "a query of numbers": {"rawQueryString": 5},
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_event_that_cannot_be_read_is_refused(
    name: str, function: Function, lambda_context: Callable[[], object]
) -> None:
    answer: Any = function(http_event("/nowhere") | BROKEN[name], lambda_context())
    assert answer["statusCode"] == 400
    content = json.loads(answer["body"])
    assert content["reference"] == "event-broken"
    assert content["request_id"] == answer["headers"]["x-request-id"]


def test_half_a_character_in_a_body_is_the_callers_mistake(
    function: Function, lambda_context: Callable[[], object]
) -> None:
    headers = {"Content-Type": "application/json"}
    event = http_event("/predict", "POST", body='{"inputs": {"\ud800": 1}}', headers=headers)
    answer: Any = function(event, lambda_context())
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["reference"] == "tensor-names"


@pytest.mark.parametrize("path", ["/predict", "/nowhere"])
def test_half_a_character_in_a_query_is_the_callers_mistake(
    function: Function, lambda_context: Callable[[], object], path: str
) -> None:
    event = {
        "requestContext": {"stage": "prod"},
        "httpMethod": "POST",
        "path": path,
        "headers": {},
        "multiValueQueryStringParameters": {"top": ["\ud800"]},
        "body": "x",
    }
    answer: Any = function(event, lambda_context())
    assert answer["statusCode"] in {400, 404}


def test_a_load_balancers_headers_of_several_values(
    function: Function, lambda_context: Callable[[], object], digit_png: bytes
) -> None:
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "POST",
        "path": "/predict",
        "multiValueHeaders": {"Content-Type": ["text/plain", "image/png"]},
        "body": base64.b64encode(digit_png).decode(),
        "isBase64Encoded": True,
    }
    answer: Any = function(event, lambda_context())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["predictions"][0]["label"] == "7"


def test_a_function_that_is_not_ready_says_so_over_http_and_raises_for_s3(
    function_folder: Path, make_function: Make, lambda_context: Callable[[], object]
) -> None:
    (function_folder / "model" / "model.json").write_text("{}")
    function = make_function()
    answer: Any = function(http_event("/predict", "POST", body="x"), lambda_context())
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["reference"] == "manifest-invalid"
    record = {"eventSource": "aws:s3", "eventVersion": "2.1"}
    with pytest.raises(NotReadyError):
        function({"Records": [record]}, lambda_context())
