from __future__ import annotations

import json
from pathlib import Path

import pytest

from liteship import Function
from liteship.artifact import Artifact
from liteship.runtime.http import Request
from liteship.runtime.protocols.example import example
from liteship.runtime.routes import answer

FUNCTIONS = Path(__file__).parents[4] / "functions"
REQUEST = Request("GET", "/model/example", {}, b"", "id-1")


@pytest.mark.parametrize("name", ["digits", "wine", "shapes"])
def test_it_is_the_golden_input(name: str) -> None:
    folder = FUNCTIONS / name
    function = Function(str(folder / "app.py"), environ={})
    body = example(function, REQUEST).body
    (tensors,) = function.require_predictor().prepare(body, "application/json")
    assert list(tensors.values()) == Artifact.load(folder / "model").golden_inputs


def test_there_is_none_for_preprocessing_of_ones_own(function_folder: Path) -> None:
    function = Function(str(function_folder / "app.py"), preprocess=lambda _body, _type: {}, environ={})
    response = answer(function, REQUEST)
    assert response is not None
    assert (response.status, json.loads(response.body)["reference"]) == (404, "example-none")
