from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from liteship import Function
from liteship.artifact import Artifact, Preprocessing, TensorSpec
from liteship.quantization import quantize
from liteship.runtime.codecs.image import normalize
from liteship.runtime.http import Request
from liteship.runtime.protocols.example import draw, example, nest
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


@pytest.mark.parametrize(
    ("spec", "data", "expected"),
    [
        (TensorSpec("x", "float32", [1, 2]), b"\xcd\xcc\xcc\x3d\x00\x00\x80\x3f", [[0.1, 1.0]]),
        (TensorSpec("x", "int8", [-1, 2, 1], 0.5, -1), b"\x01\xff", [[[1.0], [0.0]]]),
        (TensorSpec("x", "int64", [1]), b"\x01" + bytes(6) + b"\x40", [2**62 + 1]),
        (TensorSpec("x", "bool", []), b"\x01", 1),
    ],
)
def test_numbers_have_the_tensors_shape(spec: TensorSpec, data: bytes, expected: object) -> None:
    assert nest(spec, data) == expected


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_a_picture_is_drawn_in_its_colors(color: str) -> None:
    spec = TensorSpec("image", "int8", [-1, 1, 2, 3], 1.5, -3)
    preprocessing = Preprocessing("image", color, mean=[100.0, 110.0, 120.0], std=[1.0, 2.0, 1.0])
    data = quantize([-90, 3, 120, 15, -40, 0.5], "int8", 1.5, -3).tobytes()
    with Image.open(io.BytesIO(draw(spec, data, preprocessing))) as picture:
        assert (picture.format, picture.size) == ("PNG", (2, 1))
        pixels = picture.tobytes("raw", color)
    assert normalize(pixels, spec, preprocessing) == data
