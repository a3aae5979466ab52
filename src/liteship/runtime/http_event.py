"""An HTTP request as the event that API Gateway makes of it: for whoever asks a function by Invoke."""

from __future__ import annotations

import base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def http_event(
    method: str,
    path: str,
    body: bytes,
    content_type: str,
    domain: str = "example.execute-api.eu-west-1.amazonaws.com",
) -> dict[str, Any]:
    """An HTTP event, payload version 2.0, as API Gateway and function URLs send it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Args:
        method: Upper case.
        path: With the query, if there is one.
        body: Of any kind.
        content_type: What the body is.
        domain: Where the request was sent to.
    """
    path, _, query = path.partition("?")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": content_type, "host": domain},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": domain.partition(".")[0],
            "domainName": domain,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "liteship",
            },
            "requestId": "example-request",
            "stage": "$default",
            "timeEpoch": 0,
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
