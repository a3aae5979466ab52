"""An inference response of the Open Inference Protocol, its tensors in JSON or behind it."""

from __future__ import annotations

from array import array
from functools import lru_cache

from liteship.quantization import ITEM_BYTES, best_indices, real_table
from liteship.runtime.codecs import BINARY_TYPE, JSON_TYPE
from liteship.runtime.http import Response, encode_json
from liteship.runtime.protocols.oip_binary import HEADER, pack_strings
from liteship.runtime.protocols.oip_tensors import datatype_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.inference import Inference
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor
    from liteship.runtime.protocols.oip_request import InferRequest

    Tensor = tuple[str, list[int], Callable[[], bytes], Callable[[], bytes]]
    """Datatype, shape, and what gives the elements in JSON, and in bytes."""


def write_response(
    inference: Inference, request: InferRequest, predictor: Predictor | Pipeline
) -> Response:
    """The answer to an inference request: the outputs it asks for, in its order.

    Args:
        inference: What the model made of its items.
        request: What was asked.
        predictor: The model.
    """
    specs = {spec.name: spec for spec in predictor.manifest.outputs}
    outputs: list[bytes] = []
    tail: list[bytes] = []
    for asked in request.outputs:
        spec = specs[asked.name]
        datatype, shape, to_json, to_bytes = (
            _classify(asked.classes, spec, inference, predictor)
            if asked.classes
            else _real_tensor(spec, inference, predictor.manifest)
        )
        output: dict[str, object] = {"name": asked.name, "shape": shape, "datatype": datatype}
        if asked.is_binary:
            tail.append(to_bytes())
            output["parameters"] = {"binary_data_size": len(tail[-1])}
            outputs.append(encode_json(output))
        else:
            outputs.append(_with_last(output, "data", to_json()))
    identity = {} if request.id is None else {"id": request.id}
    content = {"model_name": inference.model, "model_version": inference.version, **identity}
    text = _with_last(content, "outputs", b"[%b]" % b", ".join(outputs))
    if not any(asked.is_binary for asked in request.outputs):
        return Response(200, text + b"\n", {"content-type": JSON_TYPE})
    headers = {"content-type": BINARY_TYPE, HEADER: str(len(text))}
    return Response(200, text + b"".join(tail), headers)


def _with_last(fields: Mapping[str, object], name: str, value: bytes) -> bytes:
    """An object in JSON with one field more, whose value is JSON already."""
    return b'%b, "%b": %b}' % (encode_json(fields)[:-1], name.encode(), value)


@lru_cache(maxsize=64)  # as the table itself
def _number_texts(dtype: str, scale: float, zero_point: int) -> tuple[str, ...]:
    """What stands in JSON for each byte: writing a float takes ten times as long as finding it."""
    return tuple(map(repr, real_table(dtype, scale, zero_point)))


def _real_tensor(spec: TensorSpec, inference: Inference, manifest: Manifest) -> Tensor:
    """The tensor of all items: real numbers where it is quantized, its own elements else."""
    own = b"".join(outputs[spec.name] for outputs in inference.outputs)

    def to_bytes() -> bytes:
        data: Any = inference.elements(spec)
        return array("f", data).tobytes() if spec.is_quantized else own

    def to_json() -> bytes:
        if not spec.is_quantized or ITEM_BYTES[spec.dtype] > 1:
            return encode_json(inference.elements(spec))
        texts = _number_texts(spec.dtype, spec.scale, spec.zero_point)
        return f"[{', '.join([texts[byte] for byte in own])}]".encode()

    shape = manifest.outer_shape(spec, len(inference.outputs))
    return datatype_of(spec), shape, to_json, to_bytes


def _classify(
    most: int, spec: TensorSpec, inference: Inference, predictor: Predictor | Pipeline
) -> Tensor:
    """The best classes of each item, best first, as `score:index:label`; without labels, `score:index`.

    Triton's classification extension
    (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md).
    Of the output that the labels are for, scores are those of `/predict`.
    """
    manifest = predictor.manifest
    has_labels = spec is manifest.outputs[0]
    labels = manifest.postprocessing.labels if has_labels else ()
    classes = min(most, spec.elements)
    strings = []
    for numbers in inference.numbers:
        scores = predictor.scores(numbers) if has_labels else numbers[spec.name]
        for index in best_indices(scores, classes):
            parts = [str(scores[index]), str(index), *labels[index : index + 1]]
            strings.append(":".join(parts))
    shape = [len(inference.outputs), classes] if manifest.is_batched else [classes]

    def to_bytes() -> bytes:
        return pack_strings(map(str.encode, strings))

    return "BYTES", shape, lambda: encode_json(strings), to_bytes
