"""Asks a server with KServe's inference client, unmodified; prints what came back as JSON.

    .tools/clients/bin/python kserve_driver.py < question.json

The question: `url`, `picture` (a file in base64), `pixels` (of it, uint8 8×8 in base64).
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

QUESTION = json.load(sys.stdin)
PICTURE = base64.b64decode(QUESTION["picture"])
PIXELS = np.frombuffer(base64.b64decode(QUESTION["pixels"]), np.uint8).reshape(1, 8, 8, 1)
REAL = (PIXELS / 255).astype(np.float32)


def requests() -> dict[str, InferRequest]:
    integers = (PIXELS.astype(np.int16) - 128).astype(np.int8)
    every = {}
    for binary in (True, False):
        picture = PICTURE if binary else base64.b64encode(PICTURE)
        tensors: dict[str, Any] = {
            "FP32": REAL,
            "FP16": REAL.astype(np.float16),
            "INT8": integers,
            "BYTES": np.array([picture, picture], object),
        }
        for datatype, values in tensors.items():
            if datatype == "FP16" and not binary:
                continue  # the client refuses
            sent = InferInput("image", list(values.shape), datatype)
            sent.set_data_from_numpy(values, binary_data=binary)
            for received in (True, False):
                every[f"{datatype} {binary} {received}"] = InferRequest(
                    "digits",
                    [sent],
                    request_id="an id",
                    request_outputs=[RequestedOutput("output_0", {"binary_data": received})],
                )
            if binary:
                every[f"{datatype}, default"] = InferRequest(
                    "digits",
                    [sent],
                    request_id="an id",
                    parameters={"binary_data_output": True},
                )
    return every


async def main() -> None:
    url = QUESTION["url"]
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    answers: dict[str, Any] = {}
    for name, request in requests().items():
        response = await client.infer(url, request, model_name="digits")
        assert response.model_name == "digits"
        assert response.id == "an id"
        answers[name] = response.outputs[0].as_numpy().tolist()
    try:
        await client.infer(url, requests()["FP32, default"], model_name="other")
    except httpx.HTTPStatusError as error:
        refused = str(error)
    told = {
        "answers": answers,
        "refused": refused,
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, "digits"),
        "other ready": await client.is_model_ready(url, "other"),
    }
    await client.close()
    print(json.dumps(told))  # noqa: T201


asyncio.run(main())
