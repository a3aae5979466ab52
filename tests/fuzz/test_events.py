"""Whatever an HTTP event holds: the handler answers it, or says that it is no event."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tests.fuzz.asking import requests, target
from tests.fuzz.budget import fuzz
from tests.fuzz.damage import damaged_value
from tests.fuzz.test_requests import check, load

from liteship.errors import InputError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from liteship import Function
    from liteship.runtime.http import Request

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of much that is odd


@pytest.fixture(scope="module")
def digits(loop: asyncio.AbstractEventLoop) -> Function:
    """Mangum takes the thread's event loop."""
    return load("digits")


def event_v2(request: Request) -> dict[str, Any]:
    """HTTP API and function URL."""
    http = {
        "method": request.method,
        "path": request.path,
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": dict(request.headers),
        "requestContext": {"stage": "$default", "http": http},
        "body": base64.b64encode(request.body).decode(),
        "isBase64Encoded": True,
    }


def event_v1(request: Request) -> dict[str, Any]:
    """REST API."""
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": {name: [each] for name, each in request.headers.items()},
        "queryStringParameters": {"top": "1"},
        "multiValueQueryStringParameters": {"top": ["1"]},
        "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}},
        "body": request.body.decode("latin-1"),
        "isBase64Encoded": False,
    }


def event_of_load_balancer(request: Request) -> dict[str, Any]:
    """An application load balancer."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
        "httpMethod": request.method,
        "path": target(request),
        "queryStringParameters": {},
        "headers": dict(request.headers),
        "body": request.body.decode("latin-1"),
        "isBase64Encoded": False,
    }


FORMS = (event_v2, event_v1, event_of_load_balancer)


def ask(function: Function, event: Any, context: object) -> None:
    note(f"{event!r:.2000}")
    result: Any = function(event, context)
    assert json.dumps(result)
    body = result["body"].encode(errors="surrogatepass")
    content = base64.b64decode(body) if result["isBase64Encoded"] else body
    check(result["statusCode"], result["headers"], content)


@fuzz(0.06)
@given(st.data(), st.sampled_from(FORMS))
def test_any_request_in_an_event(
    digits: Function,
    lambda_context: Callable[[], object],
    data: Any,
    form: Callable[[Request], dict[str, Any]],
) -> None:
    request = data.draw(requests(digits.require_predictor().manifest))
    ask(digits, form(request), lambda_context())


@fuzz(0.06)
@given(st.data(), st.sampled_from(FORMS))
def test_any_damage_to_an_event(
    digits: Function,
    lambda_context: Callable[[], object],
    data: Any,
    form: Callable[[Request], dict[str, Any]],
) -> None:
    request = data.draw(requests(digits.require_predictor().manifest))
    event = data.draw(damaged_value(form(request)))
    try:
        ask(digits, event, lambda_context())
    except InputError as error:
        assert error.reference == "event-unknown"  # noqa: PT017  # not always
