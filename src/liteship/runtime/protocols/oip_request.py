"""An inference request of the Open Inference Protocol, read from its body.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.codecs import PackedNumbers
from liteship.runtime.codecs.json_form import describe, parse_tensors
from liteship.runtime.protocols.oip_binary import HEADER, split_body
from liteship.runtime.protocols.oip_tensors import InferInput, datatype_of, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.http import Request

_HINT = 'send {"inputs": [{"name": …, "shape": […], "datatype": "FP32", "data": […]}]}'


class InferOutput:
    """One output tensor that a caller asks for.

    Args:
        name: Of the model's output.
        is_binary: Whether its elements follow the JSON, instead of standing in it.
        classes: How many of the best classes to give instead of the tensor; 0 for the tensor.
    """

    __slots__ = ("classes", "is_binary", "name")

    def __init__(self, name: str, *, is_binary: bool = False, classes: int = 0) -> None:
        self.name = name
        self.is_binary = is_binary
        self.classes = classes


class InferRequest:
    """What a caller asks.

    Args:
        id: Sent back; None where the caller sent none.
        inputs: As sent.
        outputs: What to answer, in this order.
    """

    __slots__ = ("id", "inputs", "outputs")

    def __init__(self, id: str | None, inputs: list[InferInput], outputs: list[InferOutput]) -> None:  # noqa: A002  # the protocol's word
        self.id = id
        self.inputs = inputs
        self.outputs = outputs


def read_request(request: Request, manifest: Manifest, max_batch: int) -> InferRequest:
    """Reads an inference request, its tensors in JSON or behind it.

    Args:
        request: Whatever its content type: clients send several, and the header `HEADER` says it all.
        manifest: The model it is for.
        max_batch: Most items.

    Raises:
        InputError: `header-length`, `json-invalid`, `json-duplicate`, `json-not-finite`, `infer-form`,
            `binary-size`, `output-names`.
        PayloadTooLargeError: `json-too-long`.
    """
    text, tail = split_body(request.body, request.headers.get(HEADER))
    if not text and request.body:
        return _read_raw(tail, manifest)
    content = parse_tensors(text, {"data"}, manifest, max_batch)
    if not isinstance(content, dict):
        raise _wrong_form("the body", "an object", describe(content))
    parameters = _take(content, "the request", "parameters", dict, {})
    inputs, used = [], 0
    for index, each in enumerate(_take(content, "the request", "inputs", list)):
        tensor, size_bytes = _read_input(each, f"inputs[{index}]", tail[used:])
        inputs.append(tensor)
        used += size_bytes
    if used != len(tail):
        raise InputError(
            "binary-size",
            "more bytes follow the JSON than the inputs say",
            expected=f"{used} bytes, the sum of every binary_data_size",
            received=f"{len(tail)} bytes",
            hint="set parameters.binary_data_size of each binary input to its number of bytes",
        )
    is_binary = _take(parameters, "the request's parameters", "binary_data_output", bool, default=False)
    identity = _take(content, "the request", "id", str, None)
    return InferRequest(identity, inputs, _read_outputs(content, manifest, is_binary=is_binary))


def _read_raw(tail: memoryview, manifest: Manifest) -> InferRequest:
    """A request without JSON: the elements of the only input alone, answered in binary.

    Triton's "raw binary request"
    (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
    """
    if len(manifest.inputs) != 1:
        raise InputError(
            "infer-form",
            f"model {manifest.name} has several inputs, and the request has no JSON that names them",
            expected=", ".join(spec.name for spec in manifest.inputs),
            hint=_HINT,
        )
    spec = manifest.inputs[0]
    datatype = datatype_of(spec)
    item_bytes = spec.elements * size_of(datatype)
    shape = manifest.outer_shape(spec, max(len(tail) // item_bytes, 1))
    outputs = [InferOutput(output.name, is_binary=True) for output in manifest.outputs]
    return InferRequest(None, [InferInput(spec.name, shape, datatype, tail)], outputs)


def _read_input(value: object, where: str, tail: memoryview) -> tuple[InferInput, int]:
    """One input, and how many of the bytes behind the JSON are its own."""
    if not isinstance(value, dict):
        raise _wrong_form(where, "an object", describe(value))
    name = _take(value, where, "name", str)
    shape = _take(value, where, "shape", list)
    for size in shape:
        if type(size) is not int:
            raise _wrong_form(f"{where}.shape", "whole numbers", describe(size))
    datatype = _take(value, where, "datatype", str)
    parameters = _take(value, where, "parameters", dict, {})
    if "binary_data_size" not in parameters:
        data = value.get("data")
        if not isinstance(data, PackedNumbers):
            data = _take(value, where, "data", list)
        return InferInput(name, shape, datatype, data), 0
    size_bytes = _take(parameters, f"{where}.parameters", "binary_data_size", int)
    if "data" in value or not 0 <= size_bytes <= len(tail):
        raise InputError(
            "binary-size",
            f"{where} does not have its data behind the JSON, as its binary_data_size says",
            expected=f'no "data", and a size of at most the {len(tail)} bytes that are left',
            received=f"{size_bytes!s:.40}{' and data' * ('data' in value)}",
            hint="set the header Inference-Header-Content-Length to the length of the JSON, and send "
            "the bytes of all binary inputs after it, in the order of the inputs",
        )
    return InferInput(name, shape, datatype, tail[:size_bytes]), size_bytes


def _read_outputs(content: dict[str, Any], manifest: Manifest, *, is_binary: bool) -> list[InferOutput]:
    """The outputs asked for; all where none is named."""
    names = [spec.name for spec in manifest.outputs]
    outputs = []
    for index, each in enumerate(_take(content, "the request", "outputs", list, [])):
        where = f"outputs[{index}]"
        if not isinstance(each, dict):
            raise _wrong_form(where, "an object", describe(each))
        parameters = _take(each, where, "parameters", dict, {})
        inner = f"{where}.parameters"
        output = InferOutput(
            _take(each, where, "name", str),
            is_binary=_take(parameters, inner, "binary_data", bool, is_binary),
            classes=_take(parameters, inner, "classification", int, 0),
        )
        if output.classes < 0 or ("classification" in parameters and not output.classes):
            raise _wrong_form(f"{inner}.classification", "at least 1", str(output.classes))
        outputs.append(output)
    asked = [output.name for output in outputs]
    if not set(asked) <= set(names) or len(set(asked)) != len(asked):
        raise InputError(
            "output-names",
            f"the request asks for an output that model {manifest.name} has not, or for one twice",
            expected=", ".join(names),
            received=f"{', '.join(asked):.200}",
            hint="leave outputs out to have all",
        )
    return outputs or [InferOutput(name, is_binary=is_binary) for name in names]


_REQUIRED = object()
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    bool: "true or false",
}


def _take(
    fields: dict[str, Any], where: str, name: str, kind: type, default: object = _REQUIRED
) -> Any:
    """A field of an object; `type` tells true and false from whole numbers, `isinstance` does not."""
    value = fields.get(name)
    if value is None and default is not _REQUIRED:
        return default
    if name not in fields:
        raise _wrong_form(where, f'"{name}", {_KINDS[kind]}', "nothing")
    if type(value) is not kind:
        raise _wrong_form(f"{name} of {where}", _KINDS[kind], describe(value))
    return value


def _wrong_form(where: str, expected: str, received: str) -> InputError:
    return InputError(
        "infer-form",
        f"{where} is not what an inference request has there",
        expected=expected,
        received=received,
        hint=_HINT,
    )
