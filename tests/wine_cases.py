"""Requests to the wine function: tables, in every protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_wine
from tests.http_cases import Case
from tests.pictures import BINARY, JSON, as_json

if TYPE_CHECKING:
    from tests.http_cases import Answer

ROWS: list[list[float]] = load_wine().data[::40].tolist()
NAMES = ",".join(load_wine().feature_names)
LABELS = ["Barolo", "Grignolino", "Barbera"]
WINES = [LABELS[each] for each in load_wine().target[::40]]
CSV = "text/csv"
INFER = "/v2/models/wine/infer"
TENSOR = {"name": "measurements", "shape": [len(ROWS), 13], "datatype": "FP32"}


def table(*rows: list[float], head: str = "") -> bytes:
    lines = [head, *(",".join(map(str, row)) for row in rows)]
    return "\r\n".join(line for line in lines if line).encode()


def floats() -> bytes:
    return np.asarray(ROWS, np.float32).tobytes()


def infer(content: object, tail: bytes = b"") -> Case:
    text = as_json(content)
    length = {"Inference-Header-Content-Length": str(len(text))}
    media_type = BINARY if tail else JSON
    return Case(text + tail, media_type, path=INFER, headers=length if tail else {})


def binary(**parameters: Any) -> dict[str, Any]:
    size = {"binary_data_size": len(floats())}
    return {"inputs": [TENSOR | {"parameters": size}], "parameters": parameters}


PREDICTIONS = {
    "csv": Case(table(*ROWS), CSV),
    "csv with a header": Case(table(*ROWS, head=NAMES), CSV),
    "json": Case(as_json({"inputs": ROWS}), JSON),
    "raw tensor": Case(floats(), BINARY),
    "tf: rows": Case(as_json({"instances": ROWS}), JSON, path="/v1/models/wine:predict"),
    "tf: columns": Case(
        as_json({"inputs": {"measurements": ROWS}}), JSON, path="/v1/models/wine:predict"
    ),
    "v2 json": infer({"inputs": [TENSOR | {"data": ROWS}]}),
    "v2 binary in": infer(binary(), floats()),
    "v2 binary both ways": infer(binary(binary_data_output=True), floats()),
}
OTHER = {
    "csv of one row": Case(table(ROWS[0]), CSV),
    "csv with semicolons": Case(table(ROWS[0]).replace(b",", b";"), CSV, 400, "csv-separator"),
    "csv without a row": Case(NAMES.encode(), CSV, 400, "csv-rows"),
    "csv of words": Case(table(ROWS[0]).replace(b",", b",a", 1), CSV, 400, "csv-values"),
    "csv of too few columns": Case(table(ROWS[0][1:]), CSV, 400, "csv-columns"),
    "csv of too many rows": Case(table(*ROWS * 60), CSV, 413, "batch-too-large"),
    "a picture": Case(b"\x89PNG\r\n\x1a\n", "image/png", 415, "media-type-unsupported"),
    "top": Case(table(ROWS[0]), CSV, query="top=1"),
    "classes": infer(
        {
            "inputs": [TENSOR | {"data": ROWS}],
            "outputs": [{"name": "output", "parameters": {"classification": 2}}],
        }
    ),
    "tf: status": Case(method="GET", path="/v1/models/wine"),
    "tf: metadata": Case(method="GET", path="/v1/models/wine/metadata"),
    "v2 metadata": Case(method="GET", path="/v2/models/wine"),
    "model": Case(method="GET", path="/model"),
    "example": Case(method="GET", path="/model/example"),
    "openapi": Case(method="GET", path="/openapi.json"),
    "page": Case(method="GET", path="/"),
}
CASES = PREDICTIONS | OTHER


def labels(answer: Answer) -> list[str]:
    """The best label of every row, whatever the protocol."""
    header_bytes = int(answer.headers.get("inference-header-content-length", len(answer.body)))
    content, tail = json.loads(answer.body[:header_bytes]), answer.body[header_bytes:]
    if results := content.get("results"):
        return [result["predictions"][0]["label"] for result in results]
    if tail:
        scores = np.frombuffer(tail, np.float32)
    elif "outputs" in content and isinstance(content["outputs"][0], dict):
        scores = np.array(content["outputs"][0]["data"])
    else:
        scores = np.array(content.get("predictions") or content["outputs"])
    return [LABELS[index] for index in scores.reshape(-1, 3).argmax(axis=1)]
