"""An HTTP request and its answer, the same in every way that it can take to a function."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

MAX_BODY_BYTES = 100_000
ENVIRON = {"LITESHIP_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
OF_THE_SERVER = {"date", "server"}


@dataclass(frozen=True)
class Case:
    """A request, and the status and reference of its answer."""

    body: bytes = b""
    content_type: str | None = None
    status: int = 200
    reference: str | None = None
    method: str = "POST"
    path: str = "/predict"
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def all_headers(self) -> dict[str, str]:
        own = {} if self.content_type is None else {"Content-Type": self.content_type}
        return own | self.headers


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def comparable(self) -> tuple[int, dict[str, str], object]:
        """The answer without what is a request's own: its id, its timings, the server's clock."""
        headers = {name: each for name, each in self.headers.items() if name not in OF_THE_SERVER}
        if "server-timing" in headers:
            parts = headers["server-timing"].split(", ")
            headers["server-timing"] = ", ".join(part.split(";")[0] for part in parts)
        content: object = self.body
        if headers.get("content-type") == "application/json":
            content = json.loads(self.body)
            if isinstance(content, dict) and "request_id" in content:
                assert content.pop("request_id") == headers["x-request-id"]
                # Ids differ in length, and so do the bodies that quote them.
                assert int(headers.pop("content-length")) == len(self.body)
        if "x-request-id" in headers:
            headers["x-request-id"] = "an id"
        return self.status, headers, content


def event_v2(case: Case, stage: str = "$default") -> dict[str, Any]:
    """HTTP API and function URL; at a named stage the path begins with it."""
    path = case.path if stage == "$default" else f"/{stage}{case.path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": case.query,
        "headers": {name.lower(): each for name, each in case.all_headers().items()},
        "requestContext": {
            "stage": stage,
            "http": {
                "method": case.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "pytest",
            },
        },
        "body": base64.b64encode(case.body).decode(),
        "isBase64Encoded": True,
    }


def event_v1(case: Case) -> dict[str, Any]:
    """REST API: the body as text wherever it is text, headers once and as lists."""
    try:
        body, encoded = case.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(case.body).decode(), True
    query = parse_qs(case.query, keep_blank_values=True)
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": case.path,
        "httpMethod": case.method,
        "headers": case.all_headers(),
        "multiValueHeaders": {name: [each] for name, each in case.all_headers().items()},
        "queryStringParameters": {name: each[-1] for name, each in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}},
        "body": body or None,
        "isBase64Encoded": encoded,
    }


def from_lambda(answer: Any) -> Answer:
    body = answer["body"]
    content = base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
    return Answer(answer["statusCode"], answer["headers"], content)


def from_httpx(response: httpx.Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


def over_http(url: str, case: Case) -> Answer:
    headers = case.all_headers()
    response = httpx.request(
        case.method, url + case.target, content=case.body, headers=headers, timeout=60, trust_env=False
    )
    return from_httpx(response)
