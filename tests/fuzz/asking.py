"""Whole requests of every protocol, from almost valid to absurd."""

from __future__ import annotations

import base64
import gzip
import json
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from hypothesis import strategies as st
from tests.fuzz.damage import LONG, RARELY, damaged, damaged_json
from tests.fuzz.models import contents, form, nested, picture, table

from liteship.runtime.http import Request

if TYPE_CHECKING:
    from liteship.artifact import Manifest

WORK = (
    ("POST", "/predict"),
    ("POST", "/v2/models/{name}/infer"),
    ("POST", "/v2/models/{name}/infer"),
    ("POST", "/v2/models/{name}/versions/{version}/infer"),
    ("POST", "/v1/models/{name}:predict"),
    ("POST", "/v1/models/{name}/versions/{version}:predict"),
)
OTHERS = (
    ("GET", "/model"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/v2"),
    ("GET", "/v2/"),
    ("GET", "/v2/health/live"),
    ("GET", "/v2/health/ready"),
    ("GET", "/v2/models/{name}"),
    ("GET", "/v2/models/{name}/ready"),
    ("GET", "/v2/models/{name}/config"),
    ("GET", "/v2/models/{name}/stats"),
    ("GET", "/v2/models/{name}/versions/{version}"),
    ("GET", "/v2/models/{name}/versions/{version}/ready"),
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/{name}/load"),
    ("POST", "/v2/repository/models/x{name}/unload"),  # the real one is needed for what follows
    ("GET", "/v1/models/{name}"),
    ("GET", "/v1/models/{name}/metadata"),
    ("GET", "/v1/models/{name}/versions/{version}"),
    ("GET", "/v1/models/{name}/versions/{version}/metadata"),
    ("GET", "/v1/models/{name}/labels/{version}"),
    ("POST", "/v1/models/{name}:classify"),
    ("POST", "/v1/models/{name}:regress"),
    ("POST", "/v1/models/{name}/labels/{version}:predict"),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "", "get", "\ud800")
HOSTILE_NAMES = (
    "..",
    ".",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e%252f",
    "..\\..\\windows",
    "/etc/passwd",
    "\0",
    "a\0b",
    "%00",
    "\ud800",
    "größe",
    "a b",
    ":predict",
    "{name}",
    "1",
    "-1",
    "01",
    "9" * 5000,
    "\u0661",
    "x" * LONG,
    "a\r\nset-cookie: b",
)
DTYPES = {"float32": "FP32", "int8": "INT8", "uint8": "UINT8", "int64": "INT64"}
DATATYPES = (
    "BOOL",
    "INT8",
    "UINT8",
    "INT32",
    "INT64",
    "UINT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
    "BF16",
    "",
    "\ud800",
)
QUERIES = (
    "",
    "",
    "",
    "top=1",
    "top=0",
    "top=-1",
    "top=" + "9" * 5000,
    "top=1&top=x",
    "top=%ff%fe",
    "top=\u0661",
    "model=../../etc/passwd",
    "model=%00&version=%2e%2e",
    "version=" + "9" * 400,
    "label=stable",
    "&".join(["top=1"] * 200),
    "=&=&=",
    "%",
    ";" * 200,
    "\ud800",
)
LENGTHS = ("", "0", "-1", "1.5", "x", "9" * 5000, "1e3", " 7 ", "\u0661", "+5", "1_0")


@st.composite
def paths(draw: st.DrawFn, manifest: Manifest) -> tuple[str, str]:
    """A method and a percent-decoded path."""
    method, template = draw(st.sampled_from(OTHERS if draw(RARELY) else WORK))
    name, version = manifest.name, manifest.version
    if draw(RARELY):
        name = draw(st.sampled_from(HOSTILE_NAMES))
    if draw(RARELY):
        version = draw(st.sampled_from(("stable", "canary", *HOSTILE_NAMES)))
    path = template.replace("{name}", name).replace("{version}", version)
    if draw(RARELY):
        path = draw(
            st.sampled_from((path + "/", "/" + path, path.upper(), unquote(path), path[1:], "*", ""))
        )
    if draw(RARELY):
        method = draw(st.sampled_from(METHODS))
    return method, path


@st.composite
def open_inference_bodies(draw: st.DrawFn, manifest: Manifest) -> tuple[bytes, dict[str, str]]:
    """JSON, or JSON with binary tensors after it; its headers."""
    rows = draw(st.sampled_from((1, 1, 1, 2, 3, 0, 300)))
    inputs: list[dict[str, Any]] = []
    tail = b""
    for spec in manifest.inputs:
        shape = (rows, *spec.item_shape[1:])
        datatype = draw(st.sampled_from(("FP32", "FP32", DTYPES[spec.dtype], "BYTES")))
        contents = {"FP32": bytes(4), "BYTES": _counted(picture())}
        if datatype == "BYTES":
            shape = (rows,)
        content = contents.get(datatype, bytes(1)) * math.prod(shape)
        if draw(RARELY):
            datatype = draw(st.sampled_from(DATATYPES))
        tensor: dict[str, Any] = {"name": spec.name, "shape": list(shape), "datatype": datatype}
        if draw(st.booleans()):
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            leaf = base64.b64encode(picture()).decode() if datatype == "BYTES" else 1
            values = (nested(shape, leaf), nested((math.prod(shape),), leaf))
            tensor["data"] = draw(st.sampled_from(values))
        inputs.append(tensor)
    request: dict[str, Any] = {"id": "1", "inputs": inputs}
    if draw(st.booleans()):
        output = manifest.outputs[0].name
        parameters = draw(
            st.sampled_from(
                ({"binary_data": True}, {"classification": 2}, {"classification": 10**9}, {})
            )
        )
        request["outputs"] = [{"name": output, "parameters": parameters}]
    if draw(st.booleans()):
        request["parameters"] = {"binary_data_output": True}
    head = draw(damaged_json(request))
    length = str(len(head))
    if draw(RARELY):
        length = draw(st.one_of(st.sampled_from(LENGTHS), st.integers(0, 9999).map(str)))
    headers = {"content-type": "application/octet-stream"}
    if tail or draw(st.booleans()):
        headers["inference-header-content-length"] = length
    return head + (draw(damaged(tail)) if draw(RARELY) else tail), headers


@st.composite
def tf_serving_bodies(draw: st.DrawFn, manifest: Manifest) -> tuple[bytes, dict[str, str]]:
    """Row or column form."""
    bare = {spec.name: nested(spec.item_shape[1:]) for spec in manifest.inputs}
    first = bare[manifest.inputs[0].name]
    forms = (
        {"instances": [bare, bare]},
        {"instances": [first, first]},
        {"inputs": {name: [value] for name, value in bare.items()}},
        {"inputs": [first]},
        {"signature_name": "serving_default", "instances": [{"b64": "AA=="}]},
        {"examples": [bare], "context": bare},
    )
    return draw(damaged_json(draw(st.sampled_from(forms)))), {"content-type": "application/json"}


@st.composite
def native_bodies(draw: st.DrawFn, manifest: Manifest) -> tuple[bytes, dict[str, str]]:
    """Each form that `/predict` takes."""
    size_bytes = sum(spec.size_bytes for spec in manifest.inputs)
    kind = draw(st.sampled_from(("json", "json", "csv", "raw", "picture", "form", "any")))
    if kind == "json":
        content = draw(st.sampled_from(contents(manifest)))
        return draw(damaged_json(content)), {"content-type": "application/json"}
    if kind == "any":
        return draw(st.binary(max_size=60)), {"content-type": draw(st.text(max_size=20))}
    body, content_type = {
        "csv": (table(manifest, 2), "text/csv"),
        "raw": (bytes(size_bytes), "application/octet-stream"),
        "picture": (picture(), "image/png"),
        "form": (
            form([("image", "a.png", "image/png", picture()), ("top", "", "", b"3")]),
            "multipart/form-data; boundary=x",
        ),
    }[kind]
    return draw(damaged(body)), {"content-type": content_type}


@st.composite
def requests(draw: st.DrawFn, manifest: Manifest) -> Request:
    """A request for a function with this model."""
    method, path = draw(paths(manifest))
    protocol = path[:3]
    if draw(RARELY):
        protocol = draw(st.sampled_from(("/v1", "/v2", "")))
    if protocol == "/v2":
        body, headers = draw(open_inference_bodies(manifest))
    elif protocol == "/v1":
        body, headers = draw(tf_serving_bodies(manifest))
    else:
        body, headers = draw(native_bodies(manifest))
    if draw(RARELY):
        encoding = draw(st.sampled_from(("gzip", "deflate", "br", "identity", "gzip, deflate")))
        packed = draw(st.sampled_from((gzip.compress(body), zlib.compress(body), body)))
        body, headers["content-encoding"] = draw(damaged(packed)), encoding
    if draw(RARELY):
        body = b""
    hostile = {
        "x-request-id": draw(st.sampled_from(("mine", "a\nb", "x" * 1000, ""))),
        "accept": draw(st.sampled_from(("*/*", "application/octet-stream", "\0"))),
        "accept-encoding": "gzip",
        "content-length": draw(st.sampled_from(LENGTHS)),
        "inference-header-content-length": draw(st.sampled_from(LENGTHS)),
        "content-type": "",
    }
    if draw(RARELY):
        names = draw(st.lists(st.sampled_from(sorted(hostile)), max_size=2))
        headers |= {name: hostile[name] for name in names}
    return Request(
        method, path, headers, body, "an id", draw(st.sampled_from(QUERIES)) if draw(RARELY) else ""
    )


def target(request: Request) -> str:
    """The path as it stands in a request line."""
    return quote(request.path, errors="replace")


def strict_json(text: bytes | str) -> Any:
    """Parses an answer; what JSON does not have fails."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def _counted(content: bytes) -> bytes:
    """As an element of a BYTES tensor."""
    return struct.pack("<I", len(content)) + content
