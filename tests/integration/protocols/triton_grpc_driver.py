"""Asks a server with tritonclient.grpc; reads {"url", "picture", "pixels"}, prints what it was told."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

if TYPE_CHECKING:
    from collections.abc import Callable

question = json.loads(sys.stdin.read())
pixels = np.frombuffer(base64.b64decode(question["pixels"]), np.uint8).reshape(1, 8, 8, 1)
real = (pixels / 255).astype(np.float32)
picture = np.array([base64.b64decode(question["picture"])], np.object_)


def raw(name: str, tensor: np.ndarray, datatype: str) -> triton.InferInput:
    sent = triton.InferInput(name, tensor.shape, datatype)
    sent.set_data_from_numpy(tensor)
    return sent


def typed(name: str, tensor: np.ndarray, datatype: str, field: str) -> triton.InferInput:
    """An input in `contents`, which this client reads but does not write."""
    sent = triton.InferInput(name, tensor.shape, datatype)
    elements = tensor.ravel().tolist()
    getattr(sent._get_tensor().contents, field).extend(elements)
    sent._get_content = lambda: None
    return sent


def zeros(items: int) -> np.ndarray:
    return np.zeros([items, 8, 8, 1], np.float32)


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except InferenceServerException as error:
        return f"{error.status()}: {error.message()}"
    return "answered"


with triton.InferenceServerClient(question["url"]) as client:
    metadata = client.get_model_metadata("digits")
    output = metadata.outputs[0].name

    def scores(*inputs: triton.InferInput, **more: object) -> list[list[float]]:
        tensor = client.infer("digits", [*inputs], **more).as_numpy(output)
        values: list[list[float]] = tensor.tolist()
        return values

    classes = client.infer(
        "digits",
        [raw("image", picture, "BYTES")],
        outputs=[triton.InferRequestedOutput(output, class_count=2)],
        request_id="mine",
    )
    told = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": [client.is_model_ready("digits"), client.is_model_ready("digits", "1")],
        "server": [client.get_server_metadata().name, [*client.get_server_metadata().extensions]],
        "model": [metadata.name, [*metadata.versions], metadata.platform],
        "inputs": [[each.name, each.datatype, [*each.shape]] for each in metadata.inputs],
        "answers": {
            "raw FP32": scores(raw("image", real, "FP32")),
            "raw INT8": scores(raw("image", (pixels ^ 0x80).view(np.int8), "INT8")),
            "two items": scores(raw("image", np.concatenate([real, real]), "FP32")),
            "pictures": scores(raw("image", np.concatenate([picture, picture]), "BYTES")),
            "typed FP32": scores(typed("image", real, "FP32", "fp32_contents")),
            "typed INT8": scores(typed("image", (pixels ^ 0x80).view(np.int8), "INT8", "int_contents")),
            "one picture, typed": scores(typed("image", picture, "BYTES", "bytes_contents")),
            "of version 1": scores(raw("image", real, "FP32"), model_version="1"),
            "compressed": scores(raw("image", real, "FP32"), compression_algorithm="gzip"),
        },
        "classes": [each.decode() for each in classes.as_numpy(output).ravel()],
        "id": classes.get_response().id,
        "index": [
            [each.name, each.version, each.state] for each in client.get_model_repository_index().models
        ],
        "refused": {
            "load": code_of(lambda: client.load_model("digits")),
            "model": code_of(lambda: client.get_model_metadata("nothing")),
            "path": code_of(lambda: client.get_model_metadata("digits/../wine")),
            "version": code_of(lambda: client.is_model_ready("digits", "7")),
            "shape": code_of(lambda: scores(raw("image", real[:, :7], "FP32"))),
            "NaN": code_of(lambda: scores(raw("image", real * np.nan, "FP32"))),
            "typed NaN": code_of(
                lambda: scores(typed("image", real * np.nan, "FP32", "fp32_contents"))
            ),
            "size": code_of(lambda: scores(raw("image", zeros(80_000), "FP32"))),
            "items": code_of(lambda: scores(raw("image", zeros(300), "FP32"))),
        },
    }

with grpc.insecure_channel(question["url"]) as channel:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    told["health"] = [*check(b"")]
    metadata_of = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
    try:
        metadata_of(b"\x0a\x04none", metadata=(("x-request-id", "mine"),))  # field 1, the name
    except grpc.RpcError as error:
        told["trailers"] = dict(error.trailing_metadata())
sys.stdout.write(json.dumps(told))
