"""Datatypes, shapes and data of the Open Inference Protocol: from a caller's tensors to the model's."""

from __future__ import annotations

import base64
import math
import struct
from array import array

from liteship.artifact.tensors import TensorSpec
from liteship.errors import InputError
from liteship.quantization import TYPECODES, are_finite
from liteship.runtime.codecs import each_item, require_one_size
from liteship.runtime.codecs.json_form import (
    as_floats,
    describe,
    encode_floats,
    encode_numbers,
    flatten,
    require_numbers,
)
from liteship.runtime.protocols.oip_binary import unpack_strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.codecs import PackedNumbers

DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "uint16": "UINT16",
    "int32": "INT32",
    "uint32": "UINT32",
    "int64": "INT64",
    "uint64": "UINT64",
    "bool": "BOOL",
}
"""What the protocol calls every dtype liteship serves."""

REAL = ("FP32", "FP64", "FP16")
"""Datatypes that real numbers come in, whatever the model's own is."""

_STRUCT_CODES = {DATATYPES[dtype]: code for dtype, code in TYPECODES.items()} | {"FP16": "e"}


class InferInput:
    """One input tensor, as a caller sent it.

    Args:
        name: Of the model's input.
        shape: All dimensions, the batch included.
        datatype: Of the protocol's, or whatever the caller wrote.
        data: Nested or flat lists of JSON; or the elements' bytes, row-major and little-endian.
    """

    __slots__ = ("data", "datatype", "name", "shape")

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        datatype: str,
        data: list[object] | PackedNumbers | memoryview,
    ) -> None:
        self.name = name
        self.shape = tuple(shape)
        self.datatype = datatype
        self.data = data


def datatype_of(spec: TensorSpec) -> str:
    """The datatype that metadata and answers name: quantized tensors are real numbers to a caller."""
    return "FP32" if spec.is_quantized else DATATYPES[spec.dtype]


def size_of(datatype: str) -> int:
    """Bytes that an element takes; of every datatype but BYTES."""
    return struct.calcsize(_STRUCT_CODES[datatype])


def accepted_datatypes(spec: TensorSpec, manifest: Manifest) -> tuple[str, ...]:
    """Every datatype that an input may be sent in, the one of `datatype_of` first."""
    own = DATATYPES[spec.dtype]
    if not spec.is_quantized and own not in REAL:
        return (own,)
    pictures = ("BYTES",) if manifest.preprocessing.kind == "image" else ()
    return (*dict.fromkeys((datatype_of(spec), *REAL, own)), *pictures)


def decode_items(
    inputs: Sequence[InferInput], manifest: Manifest, max_batch: int, max_pixels: int
) -> list[dict[str, bytes]]:
    """Turns a caller's tensors into the model's, for each item of the batch.

    Args:
        inputs: In any order.
        manifest: The model they are for.
        max_batch: Most items.
        max_pixels: Largest picture to decode.

    Returns:
        Each item's input tensors: their bytes by name.

    Raises:
        InputError: `tensor-names`, `tensor-datatype`, `tensor-shape`, `batch-sizes`, `tensor-size`,
            `tensor-value`, `tensor-not-finite`, `json-not-finite`, `base64-invalid`, or what
            `decode_image` raises.
        PayloadTooLargeError: `batch-too-large`.
    """
    by_name = _by_name(inputs, manifest)
    counts = {spec.name: _items_of(by_name[spec.name], spec, manifest) for spec in manifest.inputs}
    count = require_one_size(counts, max_batch)
    if by_name[manifest.inputs[0].name].datatype == "BYTES":
        from liteship.runtime.codecs.image import decode_image

        files = _strings(by_name[manifest.inputs[0].name])
        most_pixels = max_pixels // count
        return list(each_item(files, lambda file: decode_image(file, manifest, most_pixels)))
    items: list[dict[str, bytes]] = [{} for _ in range(count)]
    for spec in manifest.inputs:
        encoded = _encode(by_name[spec.name], spec)
        for index, item in enumerate(items):
            item[spec.name] = encoded[index * spec.size_bytes : (index + 1) * spec.size_bytes]
    return items


def _by_name(inputs: Sequence[InferInput], manifest: Manifest) -> Mapping[str, InferInput]:
    sent = [each.name for each in inputs]
    expected = [spec.name for spec in manifest.inputs]
    if sorted(sent) != sorted(expected):
        raise InputError(
            "tensor-names",
            f"the request does not hold each input of model {manifest.name} once",
            expected=", ".join(expected),
            received=f"{', '.join(sent):.200}" or "none",
            hint=f"GET /v2/models/{manifest.name} names the inputs",
        )
    return {each.name: each for each in inputs}


def _items_of(tensor: InferInput, spec: TensorSpec, manifest: Manifest) -> int:
    """How many items a tensor holds, from its shape."""
    accepted = accepted_datatypes(spec, manifest)
    if tensor.datatype not in accepted:
        raise InputError(
            "tensor-datatype",
            f"input {spec.name} cannot be sent in this datatype",
            expected=", ".join(accepted),
            received=f"{tensor.datatype:.40}",
            hint="convert the tensor before sending it",
        )
    shape = list(tensor.shape)
    items = shape[0] if shape and manifest.is_batched else 1
    if items < 1 or shape not in _shapes(tensor, spec, manifest, items):
        count = -1 if manifest.is_batched else 1
        expected = " or ".join(map(str, _shapes(tensor, spec, manifest, count)))
        raise InputError(
            "tensor-shape",
            f"input {spec.name} has another shape than the model takes",
            expected=expected + ", -1 for the number of items" * manifest.is_batched,
            received=f"{shape!s:.80}",
            hint="send the shape with all dimensions, the batch's first",
        )
    return items


def _shapes(tensor: InferInput, spec: TensorSpec, manifest: Manifest, items: int) -> list[list[int]]:
    """The shapes that so many items may be sent in."""
    if tensor.datatype == "BYTES":
        return [[items], [items, 1]]
    return [manifest.outer_shape(spec, items)]


def _encode(tensor: InferInput, spec: TensorSpec) -> bytes:
    """A tensor's elements in the model's own dtype."""
    is_own = tensor.datatype == DATATYPES[spec.dtype]
    # Integers of the tensor's own datatype are what the model takes, already quantized
    target = TensorSpec(spec.name, spec.dtype, spec.shape) if is_own else spec
    if not isinstance(tensor.data, memoryview):
        elements = _elements(tensor)
        require_numbers(elements, target)
        return encode_numbers(elements, target)
    _require_size(tensor, tensor.data)
    if tensor.datatype in REAL:
        numbers = _real_numbers(tensor.data, tensor.datatype)
        if target.dtype == "float64":
            _require_finite(numbers, target)
            return array("d", numbers).tobytes()
        floats = as_floats(numbers)
        _require_finite(floats, target)
        return encode_floats(floats, target)
    if tensor.datatype == "BOOL" and max(tensor.data) > 1:
        raise InputError(
            "tensor-value",
            f"input {tensor.name} holds something that is neither true nor false",
            expected="bytes of 0 or 1",
            received=str(max(tensor.data)),
            hint="send one byte an element",
        )
    return bytes(tensor.data)


def _require_size(tensor: InferInput, data: memoryview) -> None:
    expected = math.prod(tensor.shape) * size_of(tensor.datatype)
    if len(data) != expected:
        raise InputError(
            "tensor-size",
            f"input {tensor.name} has another size than its shape and datatype say",
            expected=f"{expected} bytes for {tensor.datatype} {list(tensor.shape)}",
            received=f"{len(data)} bytes",
            hint="send the elements row-major and little-endian, without padding",
        )


def _real_numbers(data: memoryview, datatype: str) -> array[float]:
    if datatype == "FP16":  # `array` knows no half floats
        return array("d", struct.unpack(f"<{len(data) // 2}e", data))
    numbers: array[float] = array(_STRUCT_CODES[datatype])
    numbers.frombytes(data)
    return numbers


def _require_finite(numbers: array[float], target: TensorSpec) -> None:
    if are_finite(numbers):
        return
    raise InputError(
        "tensor-not-finite",
        f"input {target.name} holds NaN, an infinity or a number beyond the range of {target.dtype}",
        expected="finite numbers",
        hint="replace missing values before sending",
    )


def _elements(tensor: InferInput) -> Sequence[float]:
    """The elements of a tensor in JSON, flat or nested as its shape says."""
    shape, elements = flatten(tensor.data, tensor.name, tensor.shape)
    if shape not in (tensor.shape, (math.prod(tensor.shape),)):
        raise InputError(
            "tensor-shape",
            f"input {tensor.name} holds other data than its shape says",
            expected=f"{math.prod(tensor.shape)} elements, flat or nested as {list(tensor.shape)}",
            received=f"lists of shape {list(shape)!s:.80}",
            hint="send the elements row-major, as many as the shape has",
        )
    return elements


def _strings(tensor: InferInput) -> list[bytes]:
    """The elements of a tensor of datatype BYTES; in JSON they are in base64.

    As MLServer's content type `base64`
    (https://mlserver.readthedocs.io/en/latest/user-guide/content-type.html).
    """
    if isinstance(tensor.data, memoryview):
        return unpack_strings(tensor.data, math.prod(tensor.shape), tensor.name)
    strings = []
    for element in _elements(tensor):
        try:
            strings.append(base64.b64decode(element, validate=True))  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            raise InputError(
                "base64-invalid",
                f"input {tensor.name} holds something that is not base64",
                expected="a string for each item: a picture file in base64",
                received=describe(element),
                hint="encode the picture files with base64, or send them as binary data",
            ) from error
    return strings
