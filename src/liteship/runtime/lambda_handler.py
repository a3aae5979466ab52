"""The only place that knows Lambda: tells events apart and answers each in its own form."""

from __future__ import annotations

import binascii

from liteship.errors import InputError
from liteship.runtime.http import Request, Response
from liteship.runtime.routes import answer, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from liteship.runtime.function import Function


TEXT_TYPES = ("application/json", "text/")
"""How the content types of bodies begin that are UTF-8; all others are sent in base64."""


def handle(function: Function, event: object, context: object) -> object:
    """Answers one event.

    Args:
        function: The function it is for.
        event: An HTTP event (API Gateway 1.0 and 2.0, function URL, load balancer), or one that
            tells of S3 uploads: S3's own notification, a batch from SQS, an EventBridge event.
        context: Lambda's context; only its request id is read here.

    Returns:
        The HTTP response, what was done with each upload, or the messages of a batch that failed.

    Raises:
        InputError: `event-unknown` for an event of any other form, `event-type` for an EventBridge
            event that tells of no upload.
        LiteshipError: An upload could not be processed now; Lambda will send the event again.
    """
    if isinstance(event, dict):
        if _is_http(event):
            return _handle_http(function, event, context)
        handled = _handle_upload(function, event)
        if handled is not None:
            return handled
    keys = ", ".join(sorted(map(str, event))) if isinstance(event, dict) else type(event).__name__
    raise InputError(
        "event-unknown",
        "the event has no form that this function answers",
        expected="an HTTP event, or an S3, SQS or EventBridge event that tells of uploads",
        received=f"{keys:.200}" or "an empty object",
        hint="liteship event --help lists the forms, and prints an example of each",
    )


def _is_http(event: dict[str, Any]) -> bool:
    context = event.get("requestContext")
    return isinstance(context, dict) and (
        "httpMethod" in event or isinstance(context.get("http"), dict)
    )


def _handle_upload(function: Function, event: dict[str, Any]) -> dict[str, object] | None:
    """Answers an event that tells of uploads; None for every other."""
    from liteship.runtime.triggers import event_source

    source = event_source(event)
    if source == "s3":
        from liteship.runtime.triggers.s3 import handle_s3

        return handle_s3(function, event)
    if source == "sqs":
        from liteship.runtime.triggers.sqs import handle_sqs

        return handle_sqs(function, event)
    if source == "eventbridge":
        from liteship.runtime.triggers.eventbridge import handle_eventbridge

        return handle_eventbridge(function, event)
    if source == "s3-test":
        function.telemetry.info("S3 test event acknowledged", bucket=event.get("Bucket"))
        return {"results": []}
    return None


def _handle_http(function: Function, event: dict[str, Any], context: Any) -> object:
    request_id = str(getattr(context, "aws_request_id", "") or "unknown")
    try:
        event = _without_stage(event)
        request = _http_request(event, request_id)
    except InputError as error:
        return _http_response(refuse(function, error, request_id))
    except (AttributeError, LookupError, TypeError) as error:
        return _http_response(refuse(function, _broken(error), request_id))
    response_of_short_list = answer(function, request)
    if response_of_short_list is not None:
        return _http_response(response_of_short_list)
    mangum = function.mangum
    try:
        read = mangum.infer(event, context)
        _ = read.scope, read.body
    except Exception as error:  # noqa: BLE001  # whatever odd values lead Mangum to, before it calls anything
        return _http_response(refuse(function, _broken(error), request_id))
    return mangum(event, context)


def _without_stage(event: dict[str, Any]) -> dict[str, Any]:
    """The event with a path that does not begin with the stage, as it does at a named stage.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html
    """
    context = event["requestContext"]
    http, stage = context.get("http"), context.get("stage")
    if not http or stage in {None, "$default"}:
        return event
    path = str(http.get("path", ""))
    if not f"{path}/".startswith(f"/{stage}/"):  # behind a domain of its own
        return event
    path = path.removeprefix(f"/{stage}") or "/"
    return event | {"rawPath": path, "requestContext": context | {"http": http | {"path": path}}}


def _http_request(event: dict[str, Any], request_id: str) -> Request:
    """Reads both payload versions.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    http = event["requestContext"].get("http")
    if http:
        method, path = http.get("method", ""), http.get("path", "")
    else:
        method, path = event["httpMethod"], event.get("path", "")
    if not (isinstance(method, str) and isinstance(path, str)):
        raise TypeError("its method or its path is not text")
    headers = event.get("headers") or {
        name: values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()
    }
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise InputError(
            "event-body",
            "the event's body is not text",
            expected="a string, in base64 where isBase64Encoded is true",
            received=type(body).__name__,
            hint="write the body as text into the event: JSON in a string",
        )
    try:
        if event.get("isBase64Encoded"):
            content = binascii.a2b_base64(body, strict_mode=True)
        else:
            content = body.encode(errors="replace")  # half a character: JSON carries it, UTF-8 cannot
    except ValueError as error:
        raise InputError(
            "base64-invalid",
            f"the event's body is not base64: {error}",
            hint="set isBase64Encoded only for a body that is encoded",
        ) from error
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    return Request(method.upper(), path, lower, content, request_id, _query(event))


def _broken(error: Exception) -> InputError:
    """AWS sends no such event; people who invoke a function by hand do."""
    return InputError(
        "event-broken",
        "the HTTP event cannot be read",
        received=f"{type(error).__name__}: {error!s:.80}",
        hint="liteship event http prints one that can",
    )


def _query(event: dict[str, Any]) -> str:
    """What follows the question mark; payload version 1.0 has it in parts."""
    if "rawQueryString" in event:
        return str(event["rawQueryString"])
    several = event.get("multiValueQueryStringParameters")
    parameters = several or event.get("queryStringParameters")
    if not parameters:
        return ""
    from urllib.parse import urlencode

    # As above: half a character
    return urlencode(parameters, doseq=True, errors="replace")


def _http_response(response: Response) -> dict[str, object]:
    is_text = response.headers["content-type"].startswith(TEXT_TYPES)
    body = response.body if is_text else binascii.b2a_base64(response.body, newline=False)
    return {
        "statusCode": response.status,
        "headers": response.headers,
        "body": body.decode(),
        "isBase64Encoded": not is_text,
    }
