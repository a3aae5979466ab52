"""A Lambda handler without a framework, for events of API Gateway and function URLs."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from litert import Model

model = Model(Path(os.environ["MODEL_FOLDER"]))


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answers the input tensor's bytes, or real numbers in JSON."""
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    if event["rawPath"] == "/predict/tensor":
        tensor = model.from_bytes(body)
    else:
        (numbers,) = json.loads(body)["inputs"]
        tensor = model.from_numbers(numbers)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"predictions": model.predict(tensor)}),
    }
