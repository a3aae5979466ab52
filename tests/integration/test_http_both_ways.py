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
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

from liteship import Function
from liteship.runtime.protocols.page import read_page

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
    "no form": lambda p: Case(png(p), "multipart/form-data; boundary=x", 400, "form-invalid"),
    "no content type": lambda p: Case(png(p), None, 415, "media-type-unsupported"),
    "raw tensor too short": lambda _: Case(bytes(63), BINARY, 400, "tensor-size"),
    "json of another shape": lambda p: Case(
        as_json({"inputs": unit(p)[:7]}), JSON, 400, "tensor-shape"
    ),
    "json of ragged lists": lambda _: Case(b'{"inputs": [[1], [1, 2]]}', JSON, 400, "tensor-shape"),
    "json with a key twice": lambda _: Case(b'{"inputs": 1, "inputs": 2}', JSON, 400, "json-duplicate"),
    "json of more than any batch": lambda _: Case(
        b'{"inputs": [' + b"[]," * 33_000 + b"[]]}", JSON, 413, "json-too-long"
    ),
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
    "loading": lambda _: Case(b"", None, 400, "control-off", path="/v2/repository/models/digits/load"),
    "an index of no object": lambda _: Case(
        b"[]", JSON, 400, "repository-request", path="/v2/repository/index"
    ),
    "delete": lambda _: Case(b"", None, 405, "route-unknown", method="DELETE"),
}
OTHER: dict[str, Callable[[Image.Image], Case]] = {
    "the limit itself": lambda p: Case(png(p).ljust(MAX_BODY_BYTES, b"\0"), PNG),
    "live": lambda _: Case(method="GET", path="/health/live"),
    "ready": lambda _: Case(method="GET", path="/health/ready"),
    "a request id of the caller's": lambda p: Case(png(p), PNG, headers={"X-Request-Id": "mine"}),
    "index": lambda _: Case(b'{"ready": true}', JSON, path="/v2/repository/index"),
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


def infer(content: object, tail: bytes | None = None, **more: Any) -> Case:
    """An inference request of the Open Inference Protocol; `tail` follows its JSON."""
    text = as_json(content)
    path = more.pop("path", "/v2/models/digits/infer")
    headers = {} if tail is None else {"Inference-Header-Content-Length": str(len(text))}
    media_type = JSON if tail is None else BINARY
    return Case(text + (tail or b""), media_type, path=path, headers=headers, **more)


def image_tensor(datatype: str = "FP32", items: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [items, 8, 8, 1], "datatype": datatype} | more


def floats(picture: Image.Image) -> bytes:
    return (np.asarray(picture, np.float32) / 255).tobytes()


IN_BINARY = {"binary_data_output": True}
OPEN_INFERENCE: dict[str, Callable[[Image.Image], Case]] = {
    "v2": lambda _: Case(method="GET", path="/v2"),
    "v2 live": lambda _: Case(method="GET", path="/v2/health/live"),
    "v2 ready": lambda _: Case(method="GET", path="/v2/health/ready"),
    "v2 metadata": lambda _: Case(method="GET", path="/v2/models/digits"),
    "v2 metadata of a version": lambda _: Case(method="GET", path="/v2/models/digits/versions/1"),
    "v2 model ready": lambda _: Case(method="GET", path="/v2/models/digits/ready"),
    "v2 version ready": lambda _: Case(method="GET", path="/v2/models/digits/versions/1/ready"),
    "v2 json": lambda p: infer({"id": "1", "inputs": [image_tensor(data=[unit(p)])]}),
    "v2 two items": lambda p: infer({"inputs": [image_tensor(items=2, data=[unit(p)] * 2)]}),
    "v2 integers": lambda p: infer(
        {"inputs": [image_tensor("INT8", data=[each - 128 for each in p.tobytes()])]}
    ),
    "v2 a picture": lambda p: infer(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [1],
                    "datatype": "BYTES",
                    "data": [base64.b64encode(png(p)).decode()],
                }
            ]
        }
    ),
    "v2 of a version": lambda p: infer(
        {"inputs": [image_tensor(data=[unit(p)])]}, path="/v2/models/digits/versions/1/infer"
    ),
    "v2 classes": lambda p: infer(
        {
            "inputs": [image_tensor(data=[unit(p)])],
            "outputs": [{"name": "output_0", "parameters": {"classification": 3}}],
        }
    ),
    "v2 binary in": lambda p: infer(
        {"inputs": [image_tensor(parameters={"binary_data_size": 256})]}, floats(p)
    ),
    "v2 binary out": lambda p: infer(
        {"inputs": [image_tensor(data=[unit(p)])], "parameters": IN_BINARY}
    ),
    "v2 binary both ways": lambda p: infer(
        {"inputs": [image_tensor(parameters={"binary_data_size": 256})], "parameters": IN_BINARY},
        floats(p),
    ),
    "v2 a tensor alone": lambda p: Case(
        floats(p),
        BINARY,
        path="/v2/models/digits/infer",
        headers={"Inference-Header-Content-Length": "0"},
    ),
    "v2 unknown model": lambda _: infer(
        {}, path="/v2/models/x/infer", status=404, reference="model-unknown"
    ),
    "v2 unknown version": lambda _: Case(
        method="GET", path="/v2/models/digits/versions/2", status=404, reference="version-unknown"
    ),
    "v2 no body": lambda _: Case(b"", JSON, 400, "json-invalid", path="/v2/models/digits/infer"),
    "v2 no inputs": lambda _: infer({}, status=400, reference="infer-form"),
    "v2 other shape": lambda p: infer(
        {"inputs": [image_tensor(items=2, data=unit(p))]}, status=400, reference="tensor-shape"
    ),
    "v2 other datatype": lambda p: infer(
        {"inputs": [image_tensor("UINT8", data=unit(p))]}, status=400, reference="tensor-datatype"
    ),
    "v2 too many items": lambda _: infer(
        {"inputs": [image_tensor(items=300, data=[0] * 64 * 300)]},
        status=413,
        reference="batch-too-large",
    ),
    "v2 too few bytes": lambda p: infer(
        {"inputs": [image_tensor(parameters={"binary_data_size": 256})]},
        floats(p)[1:],
        status=400,
        reference="binary-size",
    ),
    "v2 too many bytes": lambda p: infer(
        {"inputs": [image_tensor(parameters={"binary_data_size": 256})]},
        floats(p) + b"\0",
        status=400,
        reference="binary-size",
    ),
    "v2 broken header": lambda p: Case(
        floats(p),
        BINARY,
        400,
        "header-length",
        path="/v2/models/digits/infer",
        headers={"Inference-Header-Content-Length": "-1"},
    ),
    "v2 unknown output": lambda p: infer(
        {"inputs": [image_tensor(data=[unit(p)])], "outputs": [{"name": "x"}]},
        status=400,
        reference="output-names",
    ),
    "v2 wrong method": lambda _: Case(
        b"", None, 405, "route-unknown", method="GET", path="/v2/models/digits/infer"
    ),
    "v2 unknown path": lambda _: Case(b"", None, 404, "route-unknown", method="GET", path="/v2/models"),
}
PAGE: dict[str, Callable[[Image.Image], Case]] = {
    "page": lambda _: Case(method="GET", path="/"),
    "page, by a browser that has another": lambda _: Case(
        method="GET", path="/", headers={"If-None-Match": '"another"'}
    ),
    "page, by a browser that has it": lambda _: Case(
        method="GET", path="/", status=304, headers={"If-None-Match": read_page()[1]["etag"]}
    ),
    "page, deleted": lambda _: Case(method="DELETE", path="/", status=405, reference="route-unknown"),
    "model": lambda _: Case(method="GET", path="/model"),
    "example": lambda _: Case(method="GET", path="/model/example"),
}


def form(*files: tuple[str, bytes, str]) -> dict[str, Any]:
    """A form's body and content type, as a browser writes them."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content, media_type in files
    ]
    return {"body": b"".join(parts) + b"--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


def encoded(picture: Image.Image) -> dict[str, str]:
    return {"b64": base64.b64encode(png(picture)).decode()}


def raw(picture: Image.Image) -> bytes:
    return bytes(each ^ 0x80 for each in picture.tobytes())


SEVERAL: dict[str, Callable[[Image.Image], Case]] = {
    "form of one": lambda p: Case(**form(("7.png", png(p), PNG))),
    "form of three": lambda p: Case(
        **form(
            ("7.png", png(p), PNG),
            ("7", saved(p, "JPEG"), BINARY),
            ("7.json", as_json({"inputs": unit(p)}), JSON),
        )
    ),
    "form with a broken picture": lambda p: Case(
        **form(("7.png", png(p), PNG), ("8.png", png(p)[:40], PNG)),
        status=400,
        reference="image-broken",
    ),
    "form without a file": lambda _: Case(**form(), status=400, reference="form-empty"),
    "form cut off": lambda p: Case(
        form(("7.png", png(p), PNG))["body"][:-5],
        "multipart/form-data; boundary=x",
        400,
        "form-invalid",
    ),
    "list of one picture": lambda p: Case(as_json({"images": [encoded(p)]}), JSON),
    "list of pictures": lambda p: Case(as_json({"images": [encoded(p)] * 3}), JSON),
    "empty list of pictures": lambda _: Case(b'{"images": []}', JSON, 400, "batch-empty"),
    "batch in json": lambda p: Case(as_json({"inputs": [unit(p)] * 2}), JSON),
    "broken batch in json": lambda p: Case(
        as_json({"inputs": [unit(p), unit(p)[1:]]}), JSON, 400, "tensor-shape"
    ),
    "raw batch": lambda p: Case(raw(p) * 5, BINARY),
    "raw batch that is too large": lambda p: Case(raw(p) * 257, BINARY, 413, "batch-too-large"),
    "top": lambda p: Case(png(p), PNG, query="top=5"),
    "top of more than there are": lambda p: Case(png(p), PNG, query="top=99999999999999999999"),
    "top of none": lambda p: Case(png(p), PNG, 400, "top-invalid", query="top=0"),
    "top of words": lambda p: Case(png(p), PNG, 400, "top-invalid", query="top=%C2%B2"),
    "empty top": lambda p: Case(png(p), PNG, 400, "top-invalid", query="top="),
    "model and version": lambda p: Case(png(p), PNG, query="model=digits&version=1"),
    "another model": lambda p: Case(png(p), PNG, 404, "model-unknown", query="model=..%2Fetc"),
    "another version": lambda p: Case(png(p), PNG, 404, "version-unknown", query="version=2"),
    "version and label": lambda p: Case(
        png(p), PNG, 400, "version-ambiguous", query="version=1&label=a"
    ),
    "manifest": lambda _: Case(method="GET", path="/model"),
    "manifest of another model": lambda _: Case(
        b"", None, 404, "model-unknown", "GET", "/model", query="model=x"
    ),
}


def tf_serving(content: object, status: int = 200, reference: str | None = None) -> Case:
    path = "/v1/models/digits:predict"
    return Case(as_json(content), JSON, status, reference, path=path)


TF_SERVING: dict[str, Callable[[Image.Image], Case]] = {
    "tf: rows": lambda p: tf_serving({"instances": [unit(p)] * 2}),
    "tf: rows by name": lambda p: tf_serving({"instances": [{"image": unit(p)}]}),
    "tf: columns": lambda p: tf_serving({"inputs": [unit(p)] * 2}),
    "tf: columns by name": lambda p: tf_serving({"inputs": {"image": [unit(p)]}}),
    "tf: pictures": lambda p: tf_serving({"instances": [encoded(p)] * 2}),
    "tf: version": lambda p: Case(
        as_json({"instances": [unit(p)]}), None, path="/v1/models/digits/versions/1:predict"
    ),
    "tf: both forms": lambda p: tf_serving(
        {"instances": [unit(p)], "inputs": [unit(p)]}, 400, "json-form"
    ),
    "tf: no rows": lambda _: tf_serving({"instances": []}, 400, "batch-empty"),
    "tf: another signature": lambda p: tf_serving(
        {"instances": [unit(p)], "signature_name": "x"}, 400, "signature-unknown"
    ),
    "tf: no body": lambda _: Case(b"", JSON, 400, "json-invalid", path="/v1/models/digits:predict"),
    "tf: another model": lambda p: Case(
        as_json({"instances": [unit(p)]}), JSON, 404, "model-unknown", path="/v1/models/x:predict"
    ),
    "tf: a label": lambda _: Case(
        b"{}", JSON, 404, "label-unknown", path="/v1/models/digits/labels/canary:predict"
    ),
    "tf: classify": lambda _: Case(
        b"{}", JSON, 400, "method-unsupported", path="/v1/models/digits:classify"
    ),
    "tf: status": lambda _: Case(method="GET", path="/v1/models/digits"),
    "tf: status of a version": lambda _: Case(method="GET", path="/v1/models/digits/versions/1"),
    "tf: metadata": lambda _: Case(method="GET", path="/v1/models/digits/metadata"),
    "tf: no such version": lambda _: Case(
        b"", None, 404, "version-unknown", "GET", "/v1/models/digits/versions/2/metadata"
    ),
    "tf: no such path": lambda _: Case(b"", None, 404, "route-unknown", "GET", "/v1/models"),
}
CASES = GOOD | BAD | OTHER | SEVERAL | OPEN_INFERENCE | TF_SERVING | PAGE


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
                    case.method, case.target, content=case.body, headers=case.all_headers()
                )

        return from_httpx(loop.run_until_complete(ask()))

    def ask_server(case: Case) -> Answer:
        return from_httpx(
            httpx.request(
                case.method,
                server.url + case.target,
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


@pytest.mark.parametrize("name", ["form of three", "list of pictures", "batch in json", "raw batch"])
def test_every_item_of_several_is_a_seven(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    answer = ways["uvicorn"](SEVERAL[name](digit_picture))
    results = json.loads(answer.body)["results"]
    assert [result["predictions"][0]["label"] for result in results] == ["7"] * len(results)
    assert len(results) > 1


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
