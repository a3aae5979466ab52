"""Between a `ModelInfer` call and the REST request with binary tensors that asks the same."""

from __future__ import annotations

import json

from liteship.errors import InputError
from liteship.runtime.grpc_door.messages import CLASSES
from liteship.runtime.http import encode_json
from liteship.runtime.protocols.oip_binary import HEADER, pack_strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from liteship.runtime.http import Response

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where a tensor's elements are, unless they are raw."""


def to_rest(call: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body of the REST request.

    Args:
        call: A `ModelInferRequest`.

    Raises:
        InputError: `raw-contents` unless all tensors are raw, or none is.
    """
    raw = list(call.raw_input_contents)
    if raw and (len(raw) != len(call.inputs) or any(each.HasField("contents") for each in call.inputs)):
        raise InputError(
            "raw-contents",
            "the call does not hold one raw tensor for each input",
            expected=f"{len(call.inputs)} in raw_input_contents, and nothing in contents",
            received=f"{len(raw)}",
            hint="send all tensors in raw_input_contents, or all in contents",
        )
    inputs, tail = [], []
    for position, tensor in enumerate(call.inputs):
        content: dict[str, object] = {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "datatype": tensor.datatype,
        }
        parameters = _parameters(tensor.parameters)
        elements = list(getattr(tensor.contents, _CONTENTS.get(tensor.datatype, "fp32_contents")))
        packed = raw[position] if raw else None
        if packed is None and tensor.datatype == "BYTES":
            packed = pack_strings(elements)
        if packed is None:
            content["data"] = elements
        else:
            parameters["binary_data_size"] = len(packed)
            tail.append(packed)
        inputs.append(content | {"parameters": parameters})
    request: dict[str, object] = {
        "inputs": inputs,
        "parameters": _parameters(call.parameters) | {"binary_data_output": True},
    }
    if call.id:
        request["id"] = call.id
    if call.outputs:
        request["outputs"] = [
            {"name": each.name, "parameters": _parameters(each.parameters)} for each in call.outputs
        ]
    head = _encode(request)
    return {HEADER: str(len(head))}, b"".join([head, *tail])


def from_rest(response: Response) -> Any:
    """The `ModelInferResponse` that says what a REST response with binary tensors says."""
    length = int(response.headers.get(HEADER, len(response.body)))
    content = json.loads(response.body[:length])
    offset, raw, outputs = length, [], []
    for tensor in content["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        raw.append(response.body[offset : offset + size])
        offset += size
        outputs.append({key: tensor[key] for key in ("name", "datatype", "shape")})
    return CLASSES["ModelInferResponse"](
        model_name=content["model_name"],
        model_version=content.get("model_version", ""),
        id=content.get("id", ""),
        outputs=outputs,
        raw_output_contents=raw,
    )


def _parameters(entries: Iterable[Any]) -> dict[str, object]:
    """Parameters by name, but for those that say what is binary: over gRPC everything is."""
    parameters = {
        entry.key: value
        for entry in entries
        for _, value in entry.value.ListFields()[:1]  # one of its fields is set
    }
    for name in ("binary_data", "binary_data_output", "binary_data_size"):
        parameters.pop(name, None)
    return parameters


def _encode(content: object) -> bytes:
    try:
        return encode_json(content)
    except ValueError as error:  # NaN or infinity
        raise InputError(
            "json-not-finite",
            "a tensor or a parameter holds NaN or infinity",
            expected="finite numbers",
            hint="replace missing values before sending",
        ) from error
