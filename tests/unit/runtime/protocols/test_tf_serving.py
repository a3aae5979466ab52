from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship import Function

    Ask = Callable[..., tuple[int, dict[str, Any]]]

MODEL = "/v1/models/digits"
ITEM = [[[0.5]] * 8] * 8


@pytest.fixture
def ask(make_function: Callable[..., Function]) -> Ask:
    function = make_function(LITESHIP_MAX_BATCH="4")

    def send(method: str, path: str, content: object = None) -> tuple[int, dict[str, Any]]:
        body = b"" if content is None else json.dumps(content).encode()
        response = answer(function, Request(method, path, {}, body, "id"))
        assert response is not None
        return response.status, json.loads(response.body)

    return send


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
def test_a_version_that_is_served_is_available(path: str, ask: Ask) -> None:
    assert ask("GET", path) == (
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )


def test_metadata_has_the_signature(ask: Ask) -> None:
    status, content = ask("GET", f"{MODEL}/versions/1/metadata")
    assert status == 200
    assert content["model_spec"] == {"name": "digits", "signature_name": "", "version": "1"}
    signature = content["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"] == {
        "image": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [{"size": size, "name": ""} for size in ("-1", "8", "8", "1")],
                "unknown_rank": False,
            },
            "name": "image",
        }
    }
    assert [each["size"] for each in signature["outputs"]["output_0"]["tensor_shape"]["dim"]] == [
        "-1",
        "10",
    ]


@pytest.mark.parametrize(
    "signature", [{}, {"signature_name": ""}, {"signature_name": "serving_default"}]
)
def test_the_default_signature_needs_no_name(signature: dict[str, str], ask: Ask) -> None:
    status, content = ask("POST", f"{MODEL}:predict", {"instances": [ITEM, ITEM], **signature})
    assert status == 200
    assert [len(each) for each in content["predictions"]] == [10, 10]


@pytest.mark.parametrize(
    ("content", "reference"),
    [
        ({}, "json-form"),
        ([], "json-form"),
        ({"instances": [ITEM], "inputs": [ITEM]}, "json-form"),
        ({"instances": ITEM[:4]}, "tensor-shape"),
        ({"instances": 5}, "json-form"),
        ({"instances": {"image": ITEM}}, "json-form"),
        ({"instances": []}, "batch-empty"),
        ({"inputs": []}, "batch-empty"),
        ({"inputs": {"image": []}}, "batch-empty"),
        ({"instances": [{"pixels": ITEM}]}, "tensor-names"),
        ({"instances": [{}]}, "tensor-names"),
        ({"inputs": {}}, "tensor-names"),
        ({"inputs": [{"image": ITEM}]}, "tensor-shape"),
        ({"instances": [ITEM], "signature_name": "other"}, "signature-unknown"),
        ({"instances": [ITEM], "signature_name": 5}, "signature-unknown"),
        ({"instances": [ITEM], "signature_name": None}, "signature-unknown"),
        ({"instances": [ITEM], "signature_name": []}, "signature-unknown"),
        ({"instances": [{"b64": "!"}]}, "base64-invalid"),
        ({"instances": [{"b64": "aGVsbG8="}]}, "image-format"),
        ({"inputs": [{"b64": "aGVsbG8="}, ITEM]}, "image-format"),
        ({"instances": [[[["1"]] * 8] * 8]}, "tensor-value"),
    ],
)
def test_what_is_no_request_is_refused(content: object, reference: str, ask: Ask) -> None:
    status, answered = ask("POST", f"{MODEL}:predict", content)
    assert answered["reference"] == reference
    assert status == (415 if reference == "image-format" else 400)
    assert answered["error"]


@pytest.mark.parametrize(
    "content",
    [
        {"instances": [ITEM, ITEM[1:]]},
        {"instances": [ITEM, {"other": ITEM}]},
        {"instances": [ITEM, {"b64": "!"}]},
        {"inputs": [ITEM, ITEM[1:]]},
    ],
)
def test_an_item_that_is_wrong_is_named(content: object, ask: Ask) -> None:
    status, answered = ask("POST", f"{MODEL}:predict", content)
    assert status == 400
    assert answered["error"].startswith("item 1: ")


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_batch_has_its_limit(form: str, ask: Ask) -> None:
    assert ask("POST", f"{MODEL}:predict", {form: [ITEM] * 4})[0] == 200
    for value in (ITEM, {"b64": "aGVsbG8="}):
        status, answered = ask("POST", f"{MODEL}:predict", {form: [value] * 5})
        assert (status, answered["reference"]) == (413, "batch-too-large")


def test_numbers_that_json_does_not_have_are_refused(ask: Ask) -> None:
    status, answered = ask("POST", f"{MODEL}:predict", {"instances": [float("nan")]})
    assert (status, answered["reference"]) == (400, "json-not-finite")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("/v1/models/other", "model-unknown"),
        (f"{MODEL}/versions/9", "version-unknown"),
        (f"{MODEL}/labels/canary", "label-unknown"),
    ],
)
def test_what_is_not_served_is_not_found(method: str, path: str, reference: str, ask: Ask) -> None:
    if method == "POST":
        status, answered = ask("POST", f"{path}:predict", {"instances": [ITEM]})
    else:
        assert ask("GET", f"{path}/metadata")[1]["reference"] == reference
        status, answered = ask("GET", path)
    assert (status, answered["reference"]) == (404, reference)


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_other_methods_are_refused(method: str, ask: Ask) -> None:
    status, answered = ask("POST", f"{MODEL}:{method}", {"examples": []})
    assert (status, answered["reference"]) == (400, "method-unsupported")
    assert ":predict" in answered["expected"]
