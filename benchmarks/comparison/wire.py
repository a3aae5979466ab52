"""The wire forms: what a request for one item looks like, and what an answer says.

| form | request | answer |
|---|---|---|
| raw | the input tensor's bytes | best labels |
| JSON | real numbers | best labels |
| JPEG, PNG | the file, of the model's size | best labels |
| JPEG, large | the file, of 640 × 480 | best labels |
| V2 JSON | Open Inference, FP32 | the output tensor in JSON |
| V2 binary | Open Inference's binary tensors, INT8 | the output tensor in bytes |
| V2 binary, FP32 | the same of real numbers | the output tensor in bytes |

Real numbers are written as the shortest decimals that are the same float32, as orjson writes NumPy's.
https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import functools
import json
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from benchmarks.comparison.models import SIDE, function_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

JSON_TYPE = {"content-type": "application/json"}
BYTES_TYPE = {"content-type": "application/octet-stream"}
HEADER_LENGTH = "inference-header-content-length"
PICTURES = {
    "JPEG": ("JPEG", (SIDE, SIDE)),
    "PNG": ("PNG", (SIDE, SIDE)),
    "JPEG, large": ("JPEG", (640, 480)),
}
"""Format, width and height of the forms that are pictures."""

BOUNDARY = "----------------------------liteship"


class Input(NamedTuple):
    """The one input of a model."""

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    def real(self, tensor: bytes) -> NDArray[np.float32]:
        """The real numbers that an int8 tensor stands for, of its shape."""
        integers = np.frombuffer(tensor, np.int8).reshape(self.shape).astype(np.float32)
        return (integers - np.float32(self.zero_point)) * np.float32(self.scale)


@functools.cache
def read_input(model: str) -> Input:
    """The input of `tiny` or `mobilenet`, of one item."""
    manifest = json.loads((function_folder(model) / "model" / "model.json").read_text())
    (found,) = manifest["inputs"]
    return Input(found["name"], (1, *found["shape"][1:]), found["scale"], found["zero_point"])


def build(
    form: str, model: str, tensor: bytes, picture: bytes, dialect: str = ""
) -> tuple[dict[str, str], bytes]:
    """Header and body of a request.

    Args:
        form: One of the above.
        model: `tiny` or `mobilenet`.
        tensor: Its input, int8.
        picture: A JPEG or PNG file, whichever the form says.
        dialect: The peer's (peers.py): `float32` takes raw tensors of that; `bentoml` and `litserve`
            name their inputs so; `nested` has numbers nested as the input's shape.

    Raises:
        KeyError: There is no such form.
    """
    spec = read_input(model)
    if form in PICTURES:
        content_type = f"image/{PICTURES[form][0].lower()}"
        if dialect == "bentoml":
            return multipart("picture", content_type, picture)
        return {"content-type": content_type}, picture
    if form == "raw":
        return BYTES_TYPE, spec.real(tensor).tobytes() if dialect == "float32" else tensor
    if form == "JSON":
        numbers = shorten(spec.real(tensor))
        nested = np.array(numbers).reshape(spec.shape).tolist() if dialect == "nested" else [numbers]
        body = {"input": nested} if dialect == "litserve" else {"inputs": nested}
        return JSON_TYPE, to_json(body)
    inputs: dict[str, Any] = {"name": spec.name, "shape": spec.shape}
    if form == "V2 JSON":
        inputs |= {"datatype": "FP32", "data": shorten(spec.real(tensor))}
        return JSON_TYPE, to_json({"inputs": [inputs]})
    if form in {"V2 binary", "V2 binary, FP32"}:
        if form == "V2 binary, FP32":
            tensor = spec.real(tensor).tobytes()
        datatype = "FP32" if form.endswith("FP32") else "INT8"
        inputs |= {"datatype": datatype, "parameters": {"binary_data_size": len(tensor)}}
        head = to_json({"inputs": [inputs], "parameters": {"binary_data_output": True}})
        return {**BYTES_TYPE, HEADER_LENGTH: str(len(head))}, head + tensor
    raise KeyError(form)


def read(form: str, headers: Mapping[str, str], body: bytes) -> list[float] | list[tuple[str, float]]:
    """What an answer says: the output tensor's numbers, or labels with scores, the best first.

    Args:
        form: What was asked in.
        headers: The answer's, names in lower case.
        body: The answer's.
    """
    if form in {"V2 binary", "V2 binary, FP32"}:
        length = int(headers[HEADER_LENGTH])
        (output,) = json.loads(body[:length])["outputs"]
        if output["datatype"] != "FP32":
            raise ValueError(f"the output is {output['datatype']}, not FP32")
        return list(struct.unpack(f"<{(len(body) - length) // 4}f", body[length:]))
    answer = json.loads(body)
    if form == "V2 JSON":
        (output,) = answer["outputs"]
        return np.asarray(output["data"], np.float32).ravel().tolist()
    if isinstance(answer, dict):
        answer = answer["output"] if "output" in answer else answer["predictions"]
    return [(prediction["label"], prediction["score"]) for prediction in answer]


def shorten(numbers: NDArray[np.float32]) -> list[float]:
    """Flat, each as the shortest decimal that is the same float32."""
    return [float(str(number)) for number in numbers.ravel()]


def to_json(value: object) -> bytes:
    """Without spaces, as orjson writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def multipart(field: str, content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    """A form with one file."""
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{field}"; filename="{field}"\r\n'
        f"content-type: {content_type}\r\n\r\n"
    )
    tail = f"\r\n--{BOUNDARY}--\r\n"
    header = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return header, head.encode() + body + tail.encode()
