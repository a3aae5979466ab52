"""Asks a server with Triton's HTTP client, unmodified; prints what came back as JSON.

    .tools/clients/bin/python triton_driver.py sync|aio < question.json

The question: `url` without a scheme; `picture`, a file in base64; `pixels`, its uint8 8×8 in base64.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import sys
from typing import Any

import numpy as np
import tritonclient.http
import tritonclient.http.aio
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

QUESTION = json.load(sys.stdin)
PICTURE = base64.b64decode(QUESTION["picture"])
PIXELS = np.frombuffer(base64.b64decode(QUESTION["pixels"]), np.uint8).reshape(1, 8, 8, 1)
REAL = (PIXELS / 255).astype(np.float32)


def tensor(datatype: str, values: Any, *, binary: bool) -> InferInput:
    sent = InferInput("image", list(values.shape), datatype)
    sent.set_data_from_numpy(values, binary_data=binary)
    return sent


def inputs(*, binary: bool) -> dict[str, InferInput]:
    integers = (PIXELS.astype(np.int16) - 128).astype(np.int8)
    picture = PICTURE if binary else base64.b64encode(PICTURE)
    strings = np.array([picture, picture], object)
    return {
        "FP32": tensor("FP32", REAL, binary=binary),
        "FP64": tensor("FP64", REAL.astype(np.float64), binary=binary),
        "INT8": tensor("INT8", integers, binary=binary),
        "two items": tensor("FP32", np.concatenate([REAL, REAL]), binary=binary),
        "pictures": tensor("BYTES", strings, binary=binary),
        "pictures in a column": tensor("BYTES", strings.reshape(2, 1), binary=binary),
    }


def requests() -> dict[str, dict[str, Any]]:
    """The arguments of `infer`, by a name for each."""
    every: dict[str, dict[str, Any]] = {}
    for sent in (True, False):
        for name, each in inputs(binary=sent).items():
            where = "binary" if sent else "JSON"
            every[f"{name} {where}, default"] = {"inputs": [each]}
            for received in (True, False):
                output = InferRequestedOutput("output_0", binary_data=received)
                name_of = f"{name} {where}, {'binary' if received else 'JSON'}"
                every[name_of] = {"inputs": [each], "outputs": [output]}
    plain = inputs(binary=True)["FP32"]
    for algorithm in ("gzip", "deflate"):
        for kind, each in (("binary", plain), ("JSON", inputs(binary=False)["FP32"])):
            every[f"FP32 {kind}, {algorithm}"] = {
                "inputs": [each],
                "request_compression_algorithm": algorithm,
                "response_compression_algorithm": algorithm,
            }
    every["of a version"] = {"inputs": [plain], "model_version": "1"}
    for received in (True, False):
        classes = InferRequestedOutput("output_0", binary_data=received, class_count=3)
        for name in ("FP32", "two items"):
            every[f"classes of {name}, {received}"] = {
                "inputs": [inputs(binary=True)[name]],
                "outputs": [classes],
            }
    return every


async def wait(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def ask(client: Any) -> dict[str, Any]:
    model = "digits"
    answers = {}
    for name, arguments in requests().items():
        result = await wait(client.infer(model, request_id=name, **arguments))
        assert result.get_response()["id"] == name
        values = result.as_numpy("output_0")
        if values.dtype == object:
            texts = [each.decode() if isinstance(each, bytes) else each for each in values.ravel()]
            answers[name] = np.array(texts).reshape(values.shape).tolist()
        else:
            assert values.dtype == np.float32
            answers[name] = values.tolist()
    refusals = {}
    bad = InferInput("image", [1, 8, 8, 1], "UINT8")
    bad.set_data_from_numpy(PIXELS)
    for name, arguments in {
        "model": {"model_name": "other", "inputs": [inputs(binary=True)["FP32"]]},
        "version": {"model_name": model, "model_version": "9", "inputs": []},
        "datatype": {"model_name": model, "inputs": [bad]},
    }.items():
        try:
            await wait(client.infer(**arguments))
        except InferenceServerException as error:
            refusals[name] = [error.status(), error.message()]
    return {
        "answers": answers,
        "refusals": refusals,
        "live": await wait(client.is_server_live()),
        "ready": await wait(client.is_server_ready()),
        "model ready": await wait(client.is_model_ready(model)),
        "version ready": await wait(client.is_model_ready(model, "1")),
        "other ready": await wait(client.is_model_ready("other")),
        "server": await wait(client.get_server_metadata()),
        "model": await wait(client.get_model_metadata(model)),
        "version": await wait(client.get_model_metadata(model, "1")),
    }


async def main() -> None:
    if sys.argv[1] == "aio":
        async with tritonclient.http.aio.InferenceServerClient(QUESTION["url"]) as client:
            told = await ask(client)
    else:
        with tritonclient.http.InferenceServerClient(QUESTION["url"]) as client:
            told = await ask(client)
    print(json.dumps(told))  # noqa: T201


asyncio.run(main())
