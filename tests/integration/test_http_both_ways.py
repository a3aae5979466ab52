"""One list of requests through every way an HTTP request can take; all answer alike.

The Lambda handler (short list before any framework), FastAPI under Mangum, the ASGI application, its
FastAPI application, and a uvicorn server in a process of its own.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from liteship import Function

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

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


def saved(picture: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format)
    return buffer.getvalue()


def png(picture: Image.Image) -> bytes:
    return saved(picture, "PNG")


def unit(picture: Image.Image) -> list[list[list[float]]]:
    """The picture as the model sees it: shape (8, 8, 1), values 0-1."""
    values: list[list[list[float]]] = (np.asarray(picture)[..., None] / 255).tolist()
    return values


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that unpacks to 20,000 × 20,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)  # one bit a pixel
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(2501)) for _ in range(20_000)) + packer.flush()
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


PNG, JSON, BINARY = "image/png", "application/json", "application/octet-stream"
GOOD: dict[str, Callable[[Image.Image], Case]] = {
    "png": lambda p: Case(png(p), PNG),
    "jpeg": lambda p: Case(saved(p, "JPEG"), "image/jpeg"),
    "webp": lambda p: Case(saved(p, "WEBP"), "image/webp"),
    "gif": lambda p: Case(saved(p, "GIF"), "image/gif"),
    "bmp": lambda p: Case(saved(p, "BMP"), "image/bmp"),
    "larger picture": lambda p: Case(png(p.resize((300, 200))), PNG),
    "coloured picture": lambda p: Case(png(p.convert("RGBA")), PNG),
    "picture under another picture's name": lambda p: Case(png(p), "image/jpeg"),
    "raw tensor": lambda p: Case(bytes(each ^ 0x80 for each in p.tobytes()), BINARY),
    "json with a batch": lambda p: Case(as_json({"inputs": [unit(p)]}), JSON),
    "json without a batch": lambda p: Case(as_json({"inputs": unit(p)}), JSON),
    "json with a name": lambda p: Case(
        as_json({"inputs": {"image": unit(p)}}), "application/json; charset=utf-8"
    ),
    "json with a picture": lambda p: Case(
        as_json({"image": {"b64": base64.b64encode(png(p)).decode()}}), JSON
    ),
}
BAD: dict[str, Callable[[Image.Image], Case]] = {
    "no body": lambda _: Case(b"", PNG, 400, "body-empty"),
    "no body and no type": lambda _: Case(b"", None, 400, "body-empty"),
    "not a picture": lambda _: Case(b"%PDF-1.7 hello", PNG, 415, "image-format"),
    "half a picture": lambda p: Case(png(p)[: len(png(p)) // 2], PNG, 400, "image-broken"),
    "a bomb": lambda _: Case(bomb(), PNG, 413, "image-too-large"),
    "more than 8 bits": lambda p: Case(png(p.convert("I;16")), PNG, 415, "image-depth"),
    "another content type": lambda p: Case(png(p), "text/plain", 415, "media-type-unsupported"),
    "a form": lambda p: Case(png(p), "multipart/form-data; boundary=x", 415, "media-type-unsupported"),
    "no content type": lambda p: Case(png(p), None, 415, "media-type-unsupported"),
    "raw tensor too short": lambda _: Case(bytes(63), BINARY, 400, "tensor-size"),
    "json of another shape": lambda p: Case(
        as_json({"inputs": unit(p)[:7]}), JSON, 400, "tensor-shape"
    ),
    "json of ragged lists": lambda _: Case(b'{"inputs": [[1], [1, 2]]}', JSON, 400, "tensor-shape"),
    "json of another form": lambda _: Case(b'{"instances": []}', JSON, 400, "json-form"),
    "json of words": lambda _: Case(
        as_json({"inputs": [[["0"] * 1] * 8] * 8}), JSON, 400, "tensor-value"
    ),
    "json of another name": lambda _: Case(b'{"inputs": {"x": 1}}', JSON, 400, "tensor-names"),
    "json with half a character": lambda _: Case(
        b'{"inputs": {"\\ud800": 1}}', JSON, 400, "tensor-names"
    ),
    "json with NaN": lambda _: Case(b'{"inputs": [NaN]}', JSON, 400, "json-not-finite"),
    "json with Infinity": lambda _: Case(b'{"inputs": [-Infinity]}', JSON, 400, "json-not-finite"),
    "json with 1e999": lambda p: Case(
        as_json({"inputs": unit(p)}).replace(b"0.0", b"1e999", 1), JSON, 400, "json-not-finite"
    ),
    "deep json": lambda _: Case(b"[" * 20_000 + b"]" * 20_000, JSON, 400, "json-invalid"),
    "deep tensor": lambda _: Case(
        b'{"inputs": ' + b"[" * 500 + b"]" * 500 + b"}", JSON, 400, "tensor-shape"
    ),
    "half a json": lambda _: Case(b'{"inputs": [', JSON, 400, "json-invalid"),
    "json that is not utf-8": lambda _: Case(b'{"\xff": 1}', JSON, 400, "json-invalid"),
    "json with no base64": lambda _: Case(b'{"image": {"b64": "!"}}', JSON, 400, "base64-invalid"),
    "one byte too many": lambda _: Case(bytes(MAX_BODY_BYTES + 1), PNG, 413, "body-too-large"),
    "far too many bytes": lambda _: Case(bytes(3_000_000), PNG, 413, "body-too-large"),
    "unknown path": lambda p: Case(png(p), PNG, 404, "route-unknown", path="/nowhere"),
    "unknown path with an accent": lambda _: Case(
        b"", None, 404, "route-unknown", method="GET", path="/größe"
    ),
    "wrong method": lambda _: Case(b"", None, 405, "route-unknown", method="GET"),
    "wrong method for health": lambda _: Case(b"x", None, 405, "route-unknown", path="/health/live"),
    "delete": lambda _: Case(b"", None, 405, "route-unknown", method="DELETE"),
}
OTHER: dict[str, Callable[[Image.Image], Case]] = {
    "the limit itself": lambda p: Case(png(p).ljust(MAX_BODY_BYTES, b"\0"), PNG),
    "live": lambda _: Case(method="GET", path="/health/live"),
    "ready": lambda _: Case(method="GET", path="/health/ready"),
    "a request id of the caller's": lambda p: Case(png(p), PNG, headers={"X-Request-Id": "mine"}),
    "openapi": lambda _: Case(method="GET", path="/openapi.json"),
    "docs": lambda _: Case(method="GET", path="/docs"),
    "the docs' script": lambda _: Case(method="GET", path="/docs/swagger-ui-bundle.js"),
    "the docs' picture": lambda _: Case(method="GET", path="/docs/favicon.png"),
    "no file of the docs": lambda _: Case(
        b"", None, 404, "route-unknown", method="GET", path="/docs/redoc.standalone.js"
    ),
    "no redoc, which would come from elsewhere": lambda _: Case(
        b"", None, 404, "route-unknown", method="GET", path="/redoc"
    ),
}
CASES = GOOD | BAD | OTHER


def event_v2(case: Case, stage: str = "$default") -> dict[str, Any]:
    """HTTP API and function URL; at a named stage the path begins with it."""
    path = case.path if stage == "$default" else f"/{stage}{case.path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
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
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": case.path,
        "httpMethod": case.method,
        "headers": case.all_headers(),
        "multiValueHeaders": {name: [each] for name, each in case.all_headers().items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
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


@pytest.fixture(scope="module")
def ways(
    artifact_folder: Path,
    start_server: Callable[..., Any],
    lambda_context: Callable[[], Any],
    loop: asyncio.AbstractEventLoop,
) -> dict[str, Callable[[Case], Answer]]:
    function = Function(str(artifact_folder.parent / "app.py"), environ=ENVIRON)
    server = start_server(**ENVIRON)

    def ask_asgi(app: Any, case: Case) -> Answer:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(
                    case.method, case.path, content=case.body, headers=case.all_headers()
                )

        return from_httpx(loop.run_until_complete(ask()))

    def ask_server(case: Case) -> Answer:
        return from_httpx(
            httpx.request(
                case.method,
                server.url + case.path,
                content=case.body,
                headers=case.all_headers(),
                trust_env=False,
            )
        )

    def ask_lambda(handler: Any, event: dict[str, Any]) -> Answer:
        context = lambda_context()
        answer = from_lambda(handler(event, context))
        if "x-request-id" in answer.headers:
            assert answer.headers["x-request-id"] == context.aws_request_id
        return answer

    return {
        "lambda, v2": lambda case: ask_lambda(function, event_v2(case)),
        "lambda, v2 at a stage": lambda case: ask_lambda(function, event_v2(case, "prod")),
        "lambda, v1": lambda case: ask_lambda(function, event_v1(case)),
        "mangum, v2": lambda case: ask_lambda(function.mangum, event_v2(case)),
        "mangum, v1": lambda case: ask_lambda(function.mangum, event_v1(case)),
        "asgi": lambda case: ask_asgi(function.asgi, case),
        "fastapi": lambda case: ask_asgi(function.app, case),
        "uvicorn": ask_server,
    }


@pytest.mark.parametrize("name", CASES)
def test_every_way_gives_the_same_answer(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    case = CASES[name](digit_picture)
    answers = {way: ask(case) for way, ask in ways.items()}
    first = answers["lambda, v2"]
    for way, answer in answers.items():
        assert answer.comparable() == first.comparable(), way

    assert first.status == case.status
    if case.reference is not None:
        content = json.loads(first.body)
        assert content["reference"] == case.reference
        assert content["hint"]
        assert first.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_the_seven_is_a_seven(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    answer = ways["uvicorn"](GOOD[name](digit_picture))
    best, *_ = json.loads(answer.body)["predictions"]
    assert best["label"] == "7"


@pytest.mark.parametrize("way", ["asgi", "fastapi", "uvicorn"])
def test_a_server_keeps_the_callers_request_id(
    way: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    case = CASES["a request id of the caller's"](digit_picture)
    assert ways[way](case).headers["x-request-id"] == "mine"


def test_the_bomb_is_small_and_really_that_large() -> None:
    from PIL import PngImagePlugin

    body = bomb()
    assert len(body) < MAX_BODY_BYTES
    assert PngImagePlugin.PngImageFile(io.BytesIO(body)).size == (20_000, 20_000)
