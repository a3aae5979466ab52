"""Every form of request and answer against the protocol's published OpenAPI description.

`LITESHIP_SPECS` names the folder that has it: `open-inference-rest.openapi.yaml`, from
https://github.com/kserve/open-inference-protocol/tree/main/specification/protocol
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from liteship import Function
from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[str, Any], None]

SPECS = os.environ.get("LITESHIP_SPECS", "")
FUNCTIONS = Path(__file__).parents[3] / "functions"
QUESTIONS = {
    "/v2": "metadata_server_response",
    "/v2/models/{}": "metadata_model_response",
    "/v2/models/{}/versions/1": "metadata_model_response",
    "/v2/models/other": "metadata_model_error_response",
    "/v2/models/{}/versions/9": "metadata_model_error_response",
}


@pytest.fixture(scope="module")
def check() -> Check:
    """Holds a JSON value against one of the description's schemas."""
    if not SPECS:
        pytest.skip("LITESHIP_SPECS names no folder with the protocol's published description")
    text = (Path(SPECS) / "open-inference-rest.openapi.yaml").read_text()
    document = yaml.safe_load(text)

    def validate(name: str, content: Any) -> None:
        schema = document["components"]["schemas"][name]
        Draft202012Validator(schema | {"components": document["components"]}).validate(content)

    return validate


@pytest.fixture(params=["digits", "wine"], scope="module")
def function(request: pytest.FixtureRequest) -> Function:
    return Function(str(FUNCTIONS / request.param / "app.py"), environ={})


def ask(function: Function, method: str, path: str, content: Any = None) -> tuple[int, Any]:
    """Status and content; of a binary answer, the JSON that leads it."""
    body = b"" if content is None else json.dumps(content).encode()
    response = answer(function, Request(method, path, {}, body, "r"))
    assert response is not None
    length = response.headers.get("inference-header-content-length", len(response.body))
    return response.status, json.loads(response.body[: int(length)])


@pytest.mark.parametrize("path", QUESTIONS)
def test_metadata(path: str, function: Function, check: Check) -> None:
    name = function.require_predictor().manifest.name
    status, content = ask(function, "GET", path.format(name))
    assert (status == 404) == QUESTIONS[path].endswith("error_response")
    check(QUESTIONS[path], content)


def requests(function: Function, digit_png: bytes) -> dict[str, Any]:
    (spec,) = function.require_predictor().manifest.inputs
    output = function.require_predictor().manifest.outputs[0].name
    tensor = {
        "name": spec.name,
        "shape": list(spec.item_shape),
        "datatype": "FP32",
        "data": [0.5] * spec.elements,
    }
    classes = {"name": output, "parameters": {"classification": 2}}
    every = {
        "plain": {"inputs": [tensor]},
        "id": {"id": "42", "parameters": {"priority": 1}, "inputs": [tensor]},
        "outputs": {"inputs": [tensor], "outputs": [{"name": output}]},
        "classes": {"inputs": [tensor], "outputs": [classes]},
        "items": {
            "inputs": [tensor | {"shape": [2, *spec.item_shape[1:]], "data": [0.5] * 2 * spec.elements}]
        },
        "binary": {"inputs": [tensor], "parameters": {"binary_data_output": True}},
    }
    if spec.is_quantized:
        every["integers"] = {"inputs": [tensor | {"datatype": "INT8", "data": [3] * spec.elements}]}
        picture = base64.b64encode(digit_png).decode()
        sent = tensor | {"shape": [1], "datatype": "BYTES", "data": [picture]}
        every["picture"] = {"inputs": [sent]}
    return every


def test_inferences(function: Function, check: Check, digit_png: bytes) -> None:
    name = function.require_predictor().manifest.name
    for kind, content in requests(function, digit_png).items():
        check("inference_request", content)
        for path in (f"/v2/models/{name}/infer", f"/v2/models/{name}/versions/1/infer"):
            status, told = ask(function, "POST", path, content)
            assert status == 200, told
            if kind == "binary":  # the extension leaves out what the description requires
                for output in told["outputs"]:
                    assert output["parameters"]["binary_data_size"] > 0
                    output["data"] = []
            check("inference_response", told)
            assert told.get("id") == content.get("id")


@pytest.mark.parametrize("content", [None, [], {}, {"inputs": []}, {"inputs": [{"name": "x"}]}])
def test_refusals(content: Any, function: Function, check: Check) -> None:
    name = function.require_predictor().manifest.name
    status, told = ask(function, "POST", f"/v2/models/{name}/infer", content)
    assert status == 400
    assert told["error"]
    check("inference_error_response", told)


def test_the_description_is_really_looked_at(check: Check) -> None:
    from jsonschema import ValidationError

    with pytest.raises(ValidationError):
        check("inference_response", {"outputs": []})
    with pytest.raises(ValidationError):
        check("inference_response", {"model_name": "x", "outputs": [{"name": "y"}]})
