"""Events as the requests that they describe."""

from __future__ import annotations

from typing import Any

import pytest

from liteship.deploy.kubernetes.operations.calling import request_of
from liteship.deploy.local.events import Kind, create_event, http_event
from liteship.errors import InputError


def test_a_request_keeps_method_path_query_headers_and_body() -> None:
    event = http_event("post", "/v2/models/a%20b/infer", b"\x00\xff", "application/octet-stream")
    event["rawQueryString"] = "a=1&b=%20"
    event["headers"]["X-Mine"] = "yes"
    event["cookies"] = ["a=1", "b=2"]
    request = request_of(event)
    assert (request.method, request.body) == ("POST", b"\x00\xff")
    assert request.path == "/v2/models/a%20b/infer?a=1&b=%20"
    assert dict(request.headers) == {
        "content-type": "application/octet-stream",
        "x-mine": "yes",
        "cookie": "a=1; b=2",
    }


def test_a_body_of_text_and_none_at_all() -> None:
    event = http_event("POST", "/predict", b"", "application/json")
    assert request_of(event | {"body": '{"é": 1}', "isBase64Encoded": False}).body == (
        '{"é": 1}'.encode()
    )
    del event["body"]
    assert request_of(event).body == b""


@pytest.mark.parametrize("kind", [each for each in Kind if each not in {Kind.HTTP, Kind.FUNCTION_URL}])
def test_other_events_are_no_requests(kind: Kind) -> None:
    with pytest.raises(InputError) as refused:
        request_of(create_event(kind, body=b"x"))
    assert refused.value.reference == "event-kind"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"version": "2.0"},
        {"version": "2.0", "rawPath": 1, "requestContext": {"http": {"method": "GET"}}},
        {"version": "2.0", "rawPath": "/", "requestContext": None},
        http_event("POST", "/", b"", "") | {"body": "no base64!"},
        http_event("POST", "/", b"", "") | {"headers": "none"},
        http_event("POST", "/", b"", "") | {"cookies": [1]},
    ],
)
def test_what_is_malformed_is_refused(event: Any) -> None:
    with pytest.raises(InputError) as refused:
        request_of(event)
    assert refused.value.reference == "event-kind"
