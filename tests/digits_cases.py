"""Requests to the digits function in its own form: predictions, health, documentation, the page."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import TYPE_CHECKING, Any

from tests.http_cases import MAX_BODY_BYTES, Case
from tests.pictures import BINARY, JSON, PNG, as_json, bomb, encoded, png, raw, saved, unit

from liteship.runtime.protocols.page import read_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

GZIP = {"Content-Encoding": "gzip"}


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
COMPRESSED: dict[str, Callable[[Image.Image], Case]] = {
    "gzip": lambda p: Case(gzip.compress(png(p)), PNG, headers=GZIP),
    "deflate": lambda p: Case(zlib.compress(raw(p)), BINARY, headers={"Content-Encoding": "deflate"}),
    "gzip cut off": lambda p: Case(
        gzip.compress(png(p))[:-9], PNG, 400, "compression-broken", headers=GZIP
    ),
    "gzip of too much": lambda _: Case(
        gzip.compress(bytes(9_000_000)), PNG, 413, "body-too-large", headers=GZIP
    ),
    "brotli": lambda p: Case(png(p), PNG, 415, "content-encoding", headers={"Content-Encoding": "br"}),
}
