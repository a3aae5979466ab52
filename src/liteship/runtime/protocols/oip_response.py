"""An inference response of the Open Inference Protocol, its tensors in JSON or behind it."""

from __future__ import annotations

from array import array

from liteship.runtime.codecs import BINARY_TYPE
from liteship.runtime.http import Response, encode_json
from liteship.runtime.protocols.oip_binary import HEADER, pack_strings
from liteship.runtime.protocols.oip_tensors import datatype_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Inference, Predictor
    from liteship.runtime.protocols.oip_request import InferRequest

    Tensor = tuple[str, list[int], Sequence[object], Callable[[], bytes]]
    """Datatype, shape, elements as JSON has them, and what gives their bytes."""


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
    outputs: list[dict[str, object]] = []
    tail: list[bytes] = []
    for asked in request.outputs:
        spec = specs[asked.name]
        datatype, shape, data, to_bytes = (
            _classify(asked.classes, spec, inference, predictor)
            if asked.classes
            else _real_tensor(spec, inference, predictor.manifest)
        )
        output: dict[str, object] = {"name": asked.name, "shape": shape, "datatype": datatype}
        if asked.is_binary:
            tail.append(to_bytes())
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            output["data"] = data
        outputs.append(output)
    identity = {} if request.id is None else {"id": request.id}
    content = {
        "model_name": inference.model,
        "model_version": inference.version,
        **identity,
        "outputs": outputs,
    }
    if not any(asked.is_binary for asked in request.outputs):
        return Response(200, content)
    text = encode_json(content)
    headers = {"content-type": BINARY_TYPE, HEADER: str(len(text))}
    return Response(200, text + b"".join(tail), headers)


def _real_tensor(spec: TensorSpec, inference: Inference, manifest: Manifest) -> Tensor:
    """The tensor of all items: real numbers where it is quantized, its own elements else."""
    data: Any = inference.elements(spec)

    def to_bytes() -> bytes:
        if spec.is_quantized:
            return array("f", data).tobytes()
        return b"".join(outputs[spec.name] for outputs in inference.outputs)

    shape = manifest.outer_shape(spec, len(inference.outputs))
    return datatype_of(spec), shape, data, to_bytes


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
        best = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        for index in best[:classes]:
            parts = [str(scores[index]), str(index), *labels[index : index + 1]]
            strings.append(":".join(parts))
    shape = [len(inference.outputs), classes] if manifest.is_batched else [classes]
    return "BYTES", shape, strings, lambda: pack_strings(map(str.encode, strings))
