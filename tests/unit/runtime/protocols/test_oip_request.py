"""Requests that are refused: what a caller gets wrong, and what it is called."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

FEATURES = {"name": "features", "shape": [1, 32], "datatype": "FP32", "data": [0.5] * 32}
BINARY = {
    "name": "features",
    "shape": [1, 32],
    "datatype": "FP32",
    "parameters": {"binary_data_size": 128},
}
FLOATS = struct.pack("<32f", *[0.5] * 32)


def with_field(name: str, value: Any) -> dict[str, Any]:
    return {**FEATURES, name: value}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in FEATURES.items() if key != name}


def nested(value: float, depth: int) -> list[Any]:
    inner: Any = [value]
    for _ in range(depth):
        inner = [inner]
    result: list[Any] = inner
    return result


BAD_INPUTS: dict[str, tuple[Any, str]] = {
    "a number": (7, "infer-form"),
    "a list": ([], "infer-form"),
    "without a name": (without("name"), "infer-form"),
    "without a shape": (without("shape"), "infer-form"),
    "without a datatype": (without("datatype"), "infer-form"),
    "without data": (without("data"), "infer-form"),
    "a name of another kind": (with_field("name", 7), "infer-form"),
    "a shape of another kind": (with_field("shape", "1,32"), "infer-form"),
    "a shape of words": (with_field("shape", ["1", 32]), "infer-form"),
    "a shape of truths": (with_field("shape", [True, 32]), "infer-form"),
    "a shape of fractions": (with_field("shape", [1.0, 32]), "infer-form"),
    "a datatype of another kind": (with_field("datatype", None), "infer-form"),
    "parameters of another kind": (with_field("parameters", []), "infer-form"),
    "data of another kind": (with_field("data", 0.5), "infer-form"),
    "data in an object": (with_field("data", {"0": 0.5}), "infer-form"),
    "another name": (with_field("name", "others"), "tensor-names"),
    "a name with half a character": (with_field("name", "\ud800"), "tensor-names"),
    "an unknown datatype": (with_field("datatype", "FLOAT"), "tensor-datatype"),
    "a datatype in small letters": (with_field("datatype", "fp32"), "tensor-datatype"),
    "a datatype of other tensors": (with_field("datatype", "INT64"), "tensor-datatype"),
    "integers of another quantization": (with_field("datatype", "UINT8"), "tensor-datatype"),
    "a picture for a model of tensors": (with_field("datatype", "BYTES"), "tensor-datatype"),
    "no dimensions": (with_field("shape", []), "tensor-shape"),
    "no batch": (with_field("shape", [32]), "tensor-shape"),
    "no items": (with_field("shape", [0, 32]), "tensor-shape"),
    "an open batch": (with_field("shape", [-1, 32]), "tensor-shape"),
    "another width": (with_field("shape", [32, 1]), "tensor-shape"),
    "one dimension more": (with_field("shape", [1, 32, 1]), "tensor-shape"),
    "more items than data": (with_field("shape", [2, 32]), "tensor-shape"),
    "far more items than data": (with_field("shape", [10**400, 32]), "batch-too-large"),
    "more items than may be": (with_field("shape", [257, 32]), "batch-too-large"),
    "one element less": (with_field("data", [0.5] * 31), "tensor-shape"),
    "one element more": (with_field("data", [0.5] * 33), "tensor-shape"),
    "no elements": (with_field("data", []), "tensor-shape"),
    "another nesting": (with_field("data", [[0.5] * 16] * 2), "tensor-shape"),
    "ragged lists": (with_field("data", [[0.5] * 16, [0.5] * 15]), "tensor-shape"),
    "deep lists": (with_field("data", nested(0.5, 400)), "tensor-shape"),
    "a list among numbers": (with_field("data", [*[0.5] * 31, [0.5]]), "tensor-value"),
    "deep lists among numbers": (with_field("data", [*[0.5] * 31, nested(0.5, 900)]), "tensor-value"),
    "words": (with_field("data", ["0.5"] * 32), "tensor-value"),
    "nothing": (with_field("data", [*[0.5] * 31, None]), "tensor-value"),
    "a truth among numbers": (with_field("data", [*[0.5] * 31, True]), "tensor-value"),
    "too large for a float64": (with_field("data", [*[0.5] * 31, 10**400]), "tensor-value"),
    "too large for a float32": (with_field("data", [*[0.5] * 31, 1e308]), "json-not-finite"),
    "INT8 beyond its range": (
        with_field("datatype", "INT8") | {"data": [128] * 32},
        "tensor-value",
    ),
    "INT8 of fractions": (with_field("datatype", "INT8") | {"data": [0.5] * 32}, "tensor-value"),
    "INT8 of truths": (with_field("datatype", "INT8") | {"data": [True] * 32}, "tensor-value"),
    "both data and a size": (FEATURES | {"parameters": {"binary_data_size": 0}}, "binary-size"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_an_input_that_is_refused(name: str, corpus: Callable[..., Caller]) -> None:
    bad, reference = BAD_INPUTS[name]
    content = corpus("dense-int8").infer(bad)
    assert content["reference"] == reference, content
    assert content["error"]
    assert content["hint"]
    assert len(json.dumps(content)) < 6000


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "json-invalid"),
    "half": (b'{"inputs": [', "json-invalid"),
    "a list": (b"[]", "infer-form"),
    "without inputs": (b"{}", "infer-form"),
    "inputs of another kind": (b'{"inputs": {}}', "infer-form"),
    "no inputs": (b'{"inputs": []}', "tensor-names"),
    "an id of another kind": (b'{"id": 7, "inputs": []}', "infer-form"),
    "parameters of another kind": (b'{"parameters": 7, "inputs": []}', "infer-form"),
    "outputs of another kind": (b'{"outputs": {}, "inputs": []}', "infer-form"),
    "an output of another kind": (b'{"outputs": ["scores"], "inputs": []}', "infer-form"),
    "an output without a name": (b'{"outputs": [{}], "inputs": []}', "infer-form"),
    "an unknown output": (b'{"outputs": [{"name": "x"}], "inputs": []}', "output-names"),
    "an output twice": (
        b'{"outputs": [{"name": "scores"}, {"name": "scores"}], "inputs": []}',
        "output-names",
    ),
    "one key twice": (b'{"inputs": [], "inputs": []}', "json-duplicate"),
    "one inner key twice": (b'{"inputs": [{"name": "a", "name": "b"}]}', "json-duplicate"),
    "NaN": (b'{"inputs": [{"data": [NaN]}]}', "json-not-finite"),
    "too deep": (b'{"inputs": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", "json-invalid"),
    "a number of many digits": (b'{"inputs": [' + b"9" * 5000 + b"]}", "json-invalid"),
    "no UTF-8": (b'{"\xff": []}', "json-invalid"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_refused(name: str, corpus: Callable[..., Caller]) -> None:
    body, reference = BAD_BODIES[name]
    response = corpus("dense-int8").post(body)
    assert response.status == 400
    content = json.loads(response.body)
    assert content["reference"] == reference
    assert content["hint"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"classification": 0},
        {"classification": -1},
        {"classification": True},
        {"classification": 2.0},
        {"classification": "2"},
        {"binary_data": 1},
        {"binary_data": "true"},
    ],
)
def test_a_parameter_of_an_output_that_is_refused(
    parameters: dict[str, Any], corpus: Callable[..., Caller]
) -> None:
    outputs = [{"name": "scores", "parameters": parameters}]
    content = corpus("dense-int8").infer(FEATURES, outputs=outputs)
    assert content["reference"] == "infer-form"


def test_null_stands_for_what_may_be_left_out(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dense-int8")
    null = FEATURES | {"parameters": None}
    content = caller.infer(null, id=None, parameters=None, outputs=None)
    assert content == caller.infer(FEATURES)


def test_unknown_parameters_are_accepted(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dense-int8")
    sent = FEATURES | {"parameters": {"content_type": "np"}}
    content = caller.infer(sent, parameters={"priority": 1}, model_name="whatever")
    assert content == caller.infer(FEATURES)


@pytest.mark.parametrize(
    ("sizes", "tail", "reference"),
    [
        ([128], FLOATS + b"\0", "binary-size"),
        ([127], FLOATS, "binary-size"),
        ([128], FLOATS[:-1], "binary-size"),
        ([129], FLOATS, "binary-size"),
        ([-1], FLOATS, "binary-size"),
        ([10**400], FLOATS, "binary-size"),
        ([True], FLOATS, "infer-form"),
        ([128.0], FLOATS, "infer-form"),
        (["128"], FLOATS, "infer-form"),
        ([None], FLOATS, "infer-form"),
        ([124], FLOATS[:124], "tensor-size"),
        ([0], b"", "tensor-size"),
        ([128, 128], FLOATS * 2, "tensor-names"),
        ([128, 1], FLOATS, "binary-size"),
    ],
)
def test_bytes_that_are_not_as_promised(
    sizes: list[Any], tail: bytes, reference: str, corpus: Callable[..., Caller]
) -> None:
    inputs = [{**BINARY, "parameters": {"binary_data_size": size}} for size in sizes]
    content = corpus("dense-int8").infer(*inputs, tail=tail)
    assert content["reference"] == reference, content


def test_a_size_without_the_header(corpus: Callable[..., Caller]) -> None:
    assert corpus("dense-int8").infer(BINARY)["reference"] == "binary-size"


def test_bytes_that_nobody_promised(corpus: Callable[..., Caller]) -> None:
    assert corpus("dense-int8").infer(FEATURES, tail=b"x")["reference"] == "binary-size"


@pytest.mark.parametrize("file", ["dense-int8", "dense-float32"])
@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", FLOATS[:124] + struct.pack("<f", float("nan"))),
        ("FP32", FLOATS[:124] + struct.pack("<f", float("-inf"))),
        ("FP64", struct.pack("<32d", *[0.5] * 31, float("nan"))),
        ("FP64", struct.pack("<32d", *[0.5] * 31, 1.7e308)),
        ("FP16", struct.pack("<32e", *[0.5] * 31, float("inf"))),
    ],
)
def test_binary_numbers_that_are_not_finite(
    file: str, datatype: str, data: bytes, corpus: Callable[..., Caller]
) -> None:
    sent = BINARY | {"datatype": datatype, "parameters": {"binary_data_size": len(data)}}
    content = corpus(file).infer(sent, tail=data)
    assert content["reference"] in {"tensor-not-finite", "tensor-value"}, content


def test_binary_truths_are_0_and_1(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dtypes")
    inputs: list[dict[str, Any]] = [
        {"name": "wide", "datatype": "INT64", "shape": [1, 3], "data": [1, 2, 3]},
        {"name": "narrow", "datatype": "INT32", "shape": [1, 3], "data": [1, 2, 3]},
        {"name": "byte", "datatype": "UINT8", "shape": [1, 3], "data": [1, 2, 3]},
        {
            "name": "flag",
            "datatype": "BOOL",
            "shape": [1, 3],
            "parameters": {"binary_data_size": 3},
        },
    ]
    assert "outputs" in caller.infer(*inputs, tail=b"\0\1\0")
    assert caller.infer(*inputs, tail=b"\0\1\2")["reference"] == "tensor-value"
    assert caller.infer(*inputs[:3])["reference"] == "tensor-names"
    two = {"name": "flag", "datatype": "BOOL", "shape": [2, 3], "data": [True] * 6}
    assert caller.infer(*inputs[:3], two)["reference"] == "batch-sizes"


def test_pictures_as_strings_of_bytes(digits: Caller, digit_png: bytes) -> None:
    text = base64.b64encode(digit_png).decode()
    sent: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [2], "data": [text, text]}
    content = digits.infer(sent)
    one = digits.function.require_predictor().prepare(digit_png, "image/png")[0]
    want = digits.function.require_predictor().invoke(one)["output_0"]
    assert content["outputs"][0]["shape"] == [2, 10]
    assert content["outputs"][0]["data"] == want * 2
    assert digits.infer(sent | {"shape": [2, 1]}) == content
    assert digits.infer(sent | {"shape": [2, 1], "data": [[text], [text]]}) == content

    element = struct.pack("<I", len(digit_png)) + digit_png
    binary: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [2]}
    binary["parameters"] = {"binary_data_size": 2 * len(element)}
    assert digits.infer(binary, tail=element * 2) == content
    short = digits.infer(binary, tail=element + b"\1" * len(element))
    assert short["reference"] == "tensor-size"


@pytest.mark.parametrize(
    ("shape", "data", "reference"),
    [
        ([1], ["!"], "base64-invalid"),
        ([1], ["ü"], "base64-invalid"),
        ([1], [7], "base64-invalid"),
        ([1], [None], "base64-invalid"),
        ([1], [{"b64": "AAAA"}], "base64-invalid"),
        ([1], [""], "image-format"),
        ([1], [base64.b64encode(b"%PDF-1.7").decode()], "image-format"),
        ([1], [base64.b64encode(b"\x89PNG\r\n\x1a\nnot").decode()], "image-broken"),
        ([2], ["AAAA"], "tensor-shape"),
        ([], ["AAAA"], "tensor-shape"),
        ([1, 8, 8, 1], ["AAAA"], "tensor-shape"),
        ([300], ["AAAA"], "batch-too-large"),
    ],
)
def test_pictures_that_are_refused(
    shape: list[int], data: list[Any], reference: str, digits: Caller
) -> None:
    sent = {"name": "image", "datatype": "BYTES", "shape": shape, "data": data}
    content = digits.infer(sent)
    assert content["reference"] == reference, content
