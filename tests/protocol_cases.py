"""Requests in the Open Inference Protocol and in TensorFlow Serving's form; and the whole list."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tests.digits_cases import BAD, COMPRESSED, GOOD, OTHER, PAGE, SEVERAL
from tests.http_cases import Case
from tests.pictures import BINARY, JSON, as_json, encoded, floats, png, unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


def infer(content: object, tail: bytes | None = None, **more: Any) -> Case:
    """An inference request of the Open Inference Protocol; `tail` follows its JSON."""
    text = as_json(content)
    path = more.pop("path", "/v2/models/digits/infer")
    headers = {} if tail is None else {"Inference-Header-Content-Length": str(len(text))}
    media_type = JSON if tail is None else BINARY
    return Case(text + (tail or b""), media_type, path=path, headers=headers, **more)


def image_tensor(datatype: str = "FP32", items: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [items, 8, 8, 1], "datatype": datatype} | more


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
CASES = GOOD | BAD | OTHER | SEVERAL | COMPRESSED | OPEN_INFERENCE | TF_SERVING | PAGE
