"""TensorFlow Serving's form answers what `/predict` answers, of models of every kind."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_wine
from tests.conftest import DIGITS, ROOT
from tests.corpus import function_of

from liteship import Function
from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Content = dict[str, Any]

WINE = ROOT / "functions" / "wine"


def ask(function: Function, path: str, content: object = None, status: int = 200) -> Content:
    method, body = ("GET", b"") if content is None else ("POST", json.dumps(content).encode())
    headers = {"content-type": "application/json"}
    response = answer(function, Request(method, path, headers, body, "id"))
    assert response is not None
    assert response.status == status, response.body
    received: Content = json.loads(response.body)
    return received


@pytest.fixture(scope="module")
def wine() -> Function:
    return Function(str(WINE / "app.py"), environ={})


@pytest.fixture(scope="module")
def digits() -> Function:
    return Function(str(DIGITS / "app.py"), environ={})


@pytest.fixture(scope="module", params=["pair-float32", "pair-int8"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Function:
    app = function_of(request.param, tmp_path_factory.mktemp(request.param))
    return Function(str(app), environ={})


def test_rows_and_columns_of_wines_are_the_scores_of_predict(wine: Function) -> None:
    table = load_wine().data[::40].tolist()
    labels = wine.require_predictor().manifest.postprocessing.labels
    rows = ask(wine, "/v1/models/wine:predict", {"instances": table})
    columns = ask(wine, "/v1/models/wine:predict", {"inputs": {"measurements": table}})
    assert columns["outputs"] == rows["predictions"]
    native = ask(wine, "/predict", {"inputs": table})
    for scores, result in zip(rows["predictions"], native["results"], strict=True):
        named = dict(zip(labels, scores, strict=True))
        assert {each["label"]: each["score"] for each in result["predictions"]} == named


def test_a_server_answers_wines_with_the_type_that_curl_names(
    start_server: Callable[..., Any], wine: Function
) -> None:
    server = start_server(WINE)
    content = {"instances": load_wine().data[:2].tolist()}
    path = "/v1/models/wine/versions/1:predict"
    response = httpx.post(
        server.url + path,
        content=json.dumps(content),
        headers={"content-type": "application/x-www-form-urlencoded"},
        trust_env=False,
    )
    assert response.json() == ask(wine, path, content)
    timings = response.headers["server-timing"].split(", ")
    assert [each.split(";")[0] for each in timings] == ["preprocess", "invoke", "postprocess"]
    text = httpx.get(server.url + "/metrics", trust_env=False).text
    assert 'liteship_predictions_total{model="wine",version="1"} 2' in text


def test_pictures_and_their_numbers_are_the_same_digits(digits: Function, digit_png: bytes) -> None:
    encoded = {"b64": base64.b64encode(digit_png).decode()}
    (native,) = ask(digits, "/predict", {"images": [encoded]})["results"]
    best = native["predictions"][0]
    path = "/v1/models/digits:predict"
    forms: list[Content] = [
        {"instances": [encoded, encoded]},
        {"instances": [{"image": encoded}, {"image": encoded}]},
        {"inputs": [encoded, encoded]},
        {"inputs": {"image": [encoded, encoded]}},
    ]
    found = [ask(digits, path, form) for form in forms]
    scores = [each.get("predictions") or each["outputs"] for each in found]
    assert all(each == scores[0] for each in scores)
    assert [int(np.argmax(each)) for each in scores[0]] == [7, 7]
    assert scores[0][0][7] == best["score"]
    assert ask(digits, path, {"inputs": encoded})["outputs"] == scores[0][:1]
    assert ask(digits, path, {"inputs": {"image": encoded}})["outputs"] == scores[0][:1]


def test_several_inputs_and_outputs_by_name(pair: Function) -> None:
    source = random.Random(71)  # noqa: S311  # inputs, not secrets
    count = 3
    image = [[[[source.random() for _ in "rgb"] for _ in range(12)] for _ in range(12)]] * count
    item = [[index] for index in range(count)]
    name = pair.require_predictor().manifest.name
    path = f"/v1/models/{name}:predict"
    instances = [{"item": item[index], "image": image[index]} for index in range(count)]
    rows = ask(pair, path, {"signature_name": "serving_default", "instances": instances})["predictions"]
    columns = ask(pair, path, {"inputs": {"image": image, "item": item}})["outputs"]
    native = ask(pair, "/predict", {"inputs": {"image": image, "item": item}})["results"]
    assert len(rows) == len(native) == count
    for index, (row, result) in enumerate(zip(rows, native, strict=True)):
        assert row == {each: columns[each][index] for each in ("best", "zeta", "alpha")}
        outputs = {each["name"]: each["data"] for each in result["outputs"]}
        assert outputs == {"best": [row["best"]], "zeta": row["zeta"], "alpha": row["alpha"]}
        assert isinstance(row["best"], int)


def test_whole_numbers_and_booleans_stay_what_they_are(tmp_path: Path) -> None:
    function = Function(str(function_of("dtypes", tmp_path)), environ={})
    instance = {
        "narrow": [1, 2, -3],
        "wide": [2**53, 7, -8],
        "flag": [True, False, True],
        "byte": [0, 255, 3],
    }
    (row,) = ask(function, "/v1/models/dtypes:predict", {"instances": [instance]})["predictions"]
    assert row == {
        "narrow": [1, 4, -3],
        "wide": [2**53 + 1, 11, -11],
        "flag": [False, True, False],
        "byte": [0.0, 127.5, 1.5],
    }
    assert all(type(each) is bool for each in row["flag"])


def test_a_model_without_a_batch_takes_its_own_shape(tmp_path: Path) -> None:
    function = Function(str(function_of("scalar-float32", tmp_path)), environ={})
    path = "/v1/models/scalar-float32:predict"
    features = [[index / 32 for index in range(32)]]
    outputs = ask(function, path, {"inputs": features})["outputs"]
    assert isinstance(outputs["total"], float)
    assert len(outputs["each"]) == 1
    refused = ask(function, path, {"instances": features}, 400)
    assert refused["reference"] == "row-form-impossible"
    assert ask(function, path, {"inputs": features * 2}, 400)["reference"] == "tensor-shape"
    dims = ask(function, "/v1/models/scalar-float32/metadata")["metadata"]["signature_def"][
        "signature_def"
    ]["serving_default"]["outputs"]["total"]["tensor_shape"]["dim"]
    assert dims == []
