from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import liteship
from liteship import Function
from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller


def tensor(name: str, datatype: str, array: Any, **more: Any) -> dict[str, Any]:
    array = np.asarray(array)
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
        **more,
    }


def features(datatype: str = "FP32", items: int = 1) -> dict[str, Any]:
    values = np.linspace(-1, 1, 32 * items).reshape(items, 32)
    return tensor("features", datatype, values.round().astype(int) if "INT" in datatype else values)


def test_the_server_tells_what_it_is(digits: Caller) -> None:
    content = json.loads(digits.get("/v2").body)
    assert content == {
        "name": "liteship",
        "version": liteship.__version__,
        "extensions": content["extensions"],
    }
    assert {"binary_tensor_data", "classification"} <= set(content["extensions"])
    assert digits.get("/v2/").body == digits.get("/v2").body


def test_health(digits: Caller) -> None:
    assert json.loads(digits.get("/v2/health/live").body) == {"live": True}
    assert json.loads(digits.get("/v2/health/ready").body) == {"ready": True}
    for path in ("/v2/models/digits/ready", "/v2/models/digits/versions/1/ready"):
        assert json.loads(digits.get(path).body) == {"name": "digits", "ready": True}


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("/v2/models/other", "model-unknown"),
        ("/v2/models/other/ready", "model-unknown"),
        ("/v2/models/digits/versions/9", "version-unknown"),
        ("/v2/models/digits/versions/9/ready", "version-unknown"),
        ("/v2/models/../ready", "model-unknown"),
    ],
)
def test_what_is_not_served_is_not_found(digits: Caller, path: str, reference: str) -> None:
    response = digits.get(path)
    assert response.status == 404
    assert json.loads(response.body)["reference"] == reference


def test_a_function_without_its_model_is_live_and_not_ready(tmp_path: Path) -> None:
    function = Function(str(tmp_path / "app.py"), environ={})
    statuses = {}
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/x", "/v2/models/x/ready"):
        response = answer(function, Request("GET", path, {}, b"", "r"))
        assert response is not None
        statuses[path] = response.status
    assert [*statuses.values()] == [200, 200, 503, 503, 503]


def test_metadata_tells_how_to_send_integers_and_pictures(digits: Caller) -> None:
    content = json.loads(digits.get("/v2/models/digits").body)
    spec = digits.manifest.inputs[0]
    assert content["versions"] == ["1"]
    assert content["platform"] == "litert_tflite"
    assert content["properties"] == {"scheme": "int8", "sha256": digits.manifest.sha256}
    assert content["inputs"] == [
        {
            "name": "image",
            "datatype": "FP32",
            "shape": [-1, 8, 8, 1],
            "parameters": {
                "datatypes": "FP32, FP64, FP16, INT8, BYTES",
                "quantized_datatype": "INT8",
                "scale": spec.scale,
                "zero_point": spec.zero_point,
            },
        }
    ]
    assert content["outputs"][0]["shape"] == [-1, 10]
    assert json.loads(digits.get("/v2/models/digits/versions/1").body) == content


def test_metadata_of_plain_tensors(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dtypes")
    content = json.loads(caller.get(caller.url).body)
    inputs = {each["name"]: each for each in content["inputs"]}
    assert {name: each["datatype"] for name, each in inputs.items()} == {
        "wide": "INT64",
        "narrow": "INT32",
        "flag": "BOOL",
        "byte": "UINT8",
    }
    assert inputs["byte"]["parameters"] == {"datatypes": "UINT8"}
    assert inputs["wide"]["shape"] == [-1, 3]  # one request may hold several items
    assert "parameters" not in content["outputs"][0]


def test_a_shape_without_a_batch_stays_as_it_is(corpus: Callable[..., Caller]) -> None:
    caller = corpus("scalar-float32")
    content = json.loads(caller.get(caller.url).body)
    assert content["inputs"][0]["shape"] == [1, 32]
    assert [each["shape"] for each in content["outputs"]] in ([[], [1]], [[1], []])
    answer = caller.infer(features())
    assert {each["name"]: each["shape"] for each in answer["outputs"]} == {"total": [], "each": [1]}
    assert caller.infer(features(items=2))["reference"] == "tensor-shape"
    chosen = [{"name": "each", "parameters": {"classification": 3}}]
    assert caller.infer(features(), outputs=chosen)["outputs"][0]["shape"] == [1]


def test_every_datatype_goes_in_and_comes_out_exactly(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dtypes")
    wide = [2**53 + 1, -(2**62), 7]  # neither fits a float64
    inputs = [
        tensor("wide", "INT64", [wide]),
        tensor("narrow", "INT32", [[-5, 2**30, 0]]),
        tensor("flag", "BOOL", [[True, False, True]]),
        tensor("byte", "UINT8", [[0, 255, 3]]),
    ]
    content = caller.infer(*inputs)
    outputs = {each["name"]: each for each in content["outputs"]}
    narrow = [-5, 2**31 - 2**32, 0]
    assert outputs["narrow"]["data"] == narrow
    assert outputs["wide"]["data"] == [a + b for a, b in zip(wide, narrow, strict=True)]
    assert outputs["flag"]["data"] == [False, True, False]
    assert outputs["byte"]["data"] == [0.0, 127.5, 1.5]
    assert {name: each["datatype"] for name, each in outputs.items()} == {
        "narrow": "INT32",
        "wide": "INT64",
        "flag": "BOOL",
        "byte": "FP32",
    }
    assert content["model_name"] == "dtypes"
    assert content["model_version"] == "3"
    assert "id" not in content

    raw = [
        struct.pack("<3q", *wide),
        struct.pack("<3i", -5, 2**30, 0),
        bytes([1, 0, 1]),
        bytes([0, 255, 3]),
    ]
    for each, data in zip(inputs, raw, strict=True):
        del each["data"]
        each["parameters"] = {"binary_data_size": len(data)}
    assert caller.infer(*inputs, tail=b"".join(raw)) == content
    inputs[2] = tensor("flag", "BOOL", [[True, False, True]])  # between binary ones
    del raw[2]
    assert caller.infer(*inputs, tail=b"".join(raw)) == content


@pytest.mark.parametrize("file", ["dense-int8", "dense-int8-uint8-io", "dense-int16x8"])
def test_integers_and_real_numbers_give_one_answer(file: str, corpus: Callable[..., Caller]) -> None:
    caller = corpus(file)
    spec = caller.manifest.inputs[0]
    steps = np.arange(64).reshape(2, 32) - 32 + spec.zero_point
    steps = steps.clip(0 if spec.dtype == "uint8" else -128, None)
    datatype = spec.dtype.upper()
    real = ((steps - spec.zero_point) * spec.scale).astype(np.float32)
    answers = [
        caller.infer(tensor("features", datatype, steps)),
        caller.infer(tensor("features", "FP32", real)),
        caller.infer(tensor("features", "FP64", real)),
        caller.infer(tensor("features", "FP32", real) | {"data": real.tolist()}),
    ]
    for kind, data in (
        (datatype, steps.astype(spec.dtype)),
        ("FP32", real),
        ("FP64", real.astype("d")),
    ):
        raw = data.tobytes()
        sent = {"name": "features", "shape": [2, 32], "datatype": kind}
        answers.append(caller.infer(sent | {"parameters": {"binary_data_size": len(raw)}}, tail=raw))
    assert answers == [answers[0]] * len(answers)
    (output,) = answers[0]["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("scores", "FP32", [2, 5])
    tensors = [{"features": each.astype(spec.dtype).tobytes()} for each in steps]
    predictor = caller.function.require_predictor()
    assert output["data"] == [x for each in tensors for x in predictor.invoke(each)["scores"]]


@pytest.mark.parametrize("file", ["dense-int8", "dense-float32"])
def test_half_floats(file: str, corpus: Callable[..., Caller]) -> None:
    caller = corpus(file)
    half = np.linspace(-1, 1, 32, dtype=np.float16).reshape(1, 32)
    sent = {"name": "features", "shape": [1, 32], "datatype": "FP16"}
    binary = caller.infer(sent | {"parameters": {"binary_data_size": 64}}, tail=half.tobytes())
    assert binary == caller.infer(tensor("features", "FP32", half))
    assert binary == caller.infer(tensor("features", "FP16", half))


def test_outputs_are_chosen_and_ordered(corpus: Callable[..., Caller]) -> None:
    caller = corpus("pair-int8")
    image = tensor("image", "FP32", np.full((2, 12, 12, 3), 0.5))
    item = tensor("item", "INT32", [[1], [2]])
    everything = {each["name"]: each for each in caller.infer(image, item)["outputs"]}
    assert {name: each["shape"] for name, each in everything.items()} == {
        "best": [2],
        "zeta": [2, 4],
        "alpha": [2, 8],
    }
    chosen = caller.infer(item, image, id="7", outputs=[{"name": "zeta"}, {"name": "best"}])
    assert chosen["outputs"] == [everything["zeta"], everything["best"]]
    assert chosen["id"] == "7"
    assert caller.infer(item, image, outputs=[])["outputs"] == [*everything.values()]


def test_outputs_behind_the_json(corpus: Callable[..., Caller]) -> None:
    caller = corpus("pair-int8")
    image = tensor("image", "FP32", np.full((2, 12, 12, 3), 0.5))
    item = tensor("item", "INT32", [[1], [2]])
    everything = {each["name"]: each for each in caller.infer(image, item)["outputs"]}

    def ask(**more: Any) -> tuple[Any, bytes]:
        response = caller.post(json.dumps({"inputs": [image, item], **more}).encode())
        length = int(response.headers["inference-header-content-length"])
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-length"] == str(len(response.body))
        assert response.headers["server-timing"].startswith("preprocess;dur=")
        return json.loads(response.body[:length])["outputs"], response.body[length:]

    outputs, tail = ask(parameters={"binary_data_output": True})
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        dtype = {"INT64": np.int64, "FP32": np.float32}[output["datatype"]]
        want = np.asarray(everything[output["name"]]["data"], dtype)
        assert np.frombuffer(tail[:size], dtype).tolist() == want.tolist()
        assert "data" not in output
        tail = tail[size:]
    assert tail == b""

    asked: list[dict[str, Any]] = [
        {"name": "alpha", "parameters": {"binary_data": True}},
        {"name": "best"},
    ]
    outputs, tail = ask(outputs=asked)
    assert outputs[0]["parameters"] == {"binary_data_size": len(tail)}
    assert outputs[1] == everything["best"]
    asked[1]["parameters"] = {"binary_data": False}  # stronger than what holds for the request
    assert ask(outputs=asked, parameters={"binary_data_output": True}) == (outputs, tail)


def test_a_body_of_one_tensor_alone(corpus: Callable[..., Caller]) -> None:
    caller = corpus("dense-int8")
    values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    response = caller.post(values.tobytes(), inference_header_content_length="0")
    length = int(response.headers["inference-header-content-length"])
    want = caller.infer(tensor("features", "FP32", values))["outputs"][0]
    have = np.frombuffer(response.body[length:], np.float32)
    assert have.tolist() == np.asarray(want["data"], np.float32).tolist()
    short = caller.post(bytes(12), inference_header_content_length="0")
    assert json.loads(short.body)["reference"] == "tensor-size"
    several = corpus("dtypes").post(bytes(12), inference_header_content_length="0")
    assert json.loads(several.body)["reference"] == "infer-form"


def test_classes_instead_of_scores(corpus: Callable[..., Caller]) -> None:
    labels = ("a", "b:c", "ü", "d", "e")
    caller = corpus("dense-float32", labels, "softmax")
    asked = [{"name": "scores", "parameters": {"classification": 2}}]
    content = caller.infer(features(items=2), outputs=asked)
    (output,) = content["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    predictor = caller.function.require_predictor()
    first = np.asarray(features(items=2)["data"][:32], np.float32).tobytes()
    scores = predictor.scores(predictor.invoke({"features": first}))
    best = sorted(range(5), key=lambda index: -scores[index])[:2]
    assert output["data"][:2] == [f"{scores[index]}:{index}:{labels[index]}" for index in best]

    asked[0]["parameters"] = {"classification": 99, "binary_data": True}
    text = json.dumps({"inputs": [features()], "outputs": asked}).encode()
    response = caller.post(text)
    length = int(response.headers["inference-header-content-length"])
    (output,) = json.loads(response.body[:length])["outputs"]
    assert output["shape"] == [1, 5]  # no more than there are
    tail, strings = response.body[length:], []
    while tail:
        (size,) = struct.unpack_from("<I", tail)
        strings.append(tail[4 : 4 + size].decode())
        tail = tail[4 + size :]
    assert sorted(each.split(":", 2)[2] for each in strings) == sorted(labels)


def test_classes_without_labels(corpus: Callable[..., Caller]) -> None:
    caller = corpus("pair-int8")
    inputs = tensor("image", "FP32", np.zeros((1, 12, 12, 3))), tensor("item", "INT32", [[1]])
    (plain,) = caller.infer(*inputs, outputs=[{"name": "alpha"}])["outputs"]
    asked = [{"name": "alpha", "parameters": {"classification": 1}}]
    (classes,) = caller.infer(*inputs, outputs=asked)["outputs"]
    best = max(plain["data"])
    assert classes["data"] == [f"{best}:{plain['data'].index(best)}"]


def test_telemetry_hears_of_every_item(digits: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    digits.infer(tensor("image", "FP32", np.zeros((3, 8, 8, 1))))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    line = next(each for each in lines if each["message"] == "predicted")
    assert line["items"] == 3
    assert {"preprocess_ms", "invoke_ms", "postprocess_ms", "confidence"} <= line.keys()


def test_rows_of_a_table_are_told_as_predict_tells_them(artifact_folder: Path) -> None:
    wine = artifact_folder.parents[1] / "wine"
    function = Function(str(wine / "app.py"), environ={})
    rows = np.linspace(0.1, 900, 26).reshape(2, 13)
    classes = [{"name": "output", "parameters": {"classification": 3}}]
    sent = json.dumps({"inputs": [tensor("measurements", "FP64", rows)], "outputs": classes})
    told = answer(function, Request("POST", "/v2/models/wine/infer", {}, sent.encode(), "r"))
    assert told is not None
    have = json.loads(told.body)["outputs"][0]["data"]
    want = []
    for row in rows:
        body = json.dumps({"inputs": row.tolist()}).encode()
        predicted: Any = function.require_predictor().predict(body, "application/json").fields
        want += [(each["score"], each["label"]) for each in predicted["predictions"]]
    assert [(float(each.split(":")[0]), each.split(":")[2]) for each in have] == want


@pytest.mark.parametrize(
    "file", [f"dense-{kind}" for kind in ("int8", "int8-uint8-io", "int16x8", "float32")]
)
def test_an_answer_in_json_is_what_python_writes(corpus: Callable[..., Caller], file: str) -> None:
    caller = corpus(file)
    for more in (
        {},
        {"id": "é"},
        {"outputs": [{"name": each.name} for each in caller.manifest.outputs]},
    ):
        text = json.dumps({"inputs": [features(items=3)], **more}).encode()
        response = caller.post(text)
        content = json.loads(response.body)
        assert response.status == 200
        assert list(content) == ["model_name", "model_version", *(["id"] * ("id" in more)), "outputs"]
        assert response.body == json.dumps(content, ensure_ascii=False).encode() + b"\n"
        assert response.headers["content-type"] == "application/json"
        data = struct.pack("96f", *features(items=3)["data"])
        head = features(items=3) | {"parameters": {"binary_data_size": len(data)}}
        del head["data"]
        assert caller.infer(head, tail=data, **more) == content
