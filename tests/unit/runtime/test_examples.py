from __future__ import annotations

import base64
import io
import json
from array import array

import numpy as np
import pytest
from PIL import Image
from tests.conftest import ROOT

from liteship.artifact import Preprocessing, TensorSpec
from liteship.quantization import quantize
from liteship.runtime.codecs.image import normalize
from liteship.runtime.examples import (
    draw,
    example_lists,
    example_numbers,
    example_picture,
    flat,
    nest,
)
from liteship.runtime.predictor import Predictor


def load(name: str) -> Predictor:
    return Predictor.load(ROOT / "functions" / name / "model")


@pytest.mark.parametrize(
    ("spec", "data", "expected"),
    [
        (TensorSpec("x", "float32", [1, 2]), array("f", [0.1, 1.0]), [[0.1, 1.0]]),
        (TensorSpec("x", "float32", [2, 1]), array("f", [0.1, 1.0]), [[0.1], [1.0]]),
        (TensorSpec("x", "int8", [-1, 2, 1], 0.5, -1), array("b", [1, -1]), [[[1.0], [0.0]]]),
        (TensorSpec("x", "int64", [1]), array("q", [2**62 + 1]), [2**62 + 1]),
        (TensorSpec("x", "float64", [1]), array("d", [1 / 3]), [1 / 3]),
        (TensorSpec("x", "bool", []), array("B", [1]), 1),
    ],
)
def test_numbers_have_the_tensors_shape(spec: TensorSpec, data: array[float], expected: object) -> None:
    assert nest(flat(data.tobytes(), spec), spec.item_shape) == expected


def test_numbers_are_short_but_give_the_same_elements_again() -> None:
    elements = array("f", np.random.default_rng(0).normal(0, 1e3, 1000).astype(np.float32).tobytes())
    numbers = flat(elements.tobytes(), TensorSpec("x", "float32", [1000]))
    assert array("f", numbers) == elements
    assert max(len(repr(abs(number))) for number in numbers) <= 11
    assert flat(array("f", [3.4028234e38]).tobytes(), TensorSpec("x", "float32", [1])) == [3.4028235e38]


def test_lists_give_the_same_tensor_again() -> None:
    predictor = load("digits")
    body = json.dumps({"inputs": example_lists(predictor, 64)}).encode()
    (item,) = predictor.prepare(body, "application/json")
    assert item["image"] == predictor.artifact.golden_inputs[0]


def test_what_is_too_long_is_none() -> None:
    predictor = load("digits")
    assert example_numbers(predictor, 63) is None
    assert example_lists(predictor, 63) is None


def test_there_is_none_where_code_of_ones_own_reads_bodies() -> None:
    predictor = Predictor(load("digits").artifact, preprocess=lambda _body, _type: {})
    assert example_numbers(predictor, 64) is None
    assert example_lists(predictor, 64) is None
    assert example_picture(predictor) is None


def test_a_model_of_numbers_has_no_picture() -> None:
    assert example_picture(load("wine")) is None


@pytest.mark.parametrize("greatest_side", [None, 8, 32])
def test_a_picture_gives_the_same_tensor_again(greatest_side: int | None) -> None:
    predictor = load("digits")
    text = example_picture(predictor, greatest_side)
    assert text is not None
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (8, 8))
    (item,) = predictor.prepare(base64.b64decode(text), "image/png")
    assert item["image"] == predictor.artifact.golden_inputs[0]


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_a_picture_is_drawn_in_its_colors(color: str) -> None:
    spec = TensorSpec("image", "int8", [-1, 1, 2, 3], 1.5, -3)
    preprocessing = Preprocessing("image", color, mean=[100.0, 110.0, 120.0], std=[1.0, 2.0, 1.0])
    data = quantize([-90, 3, 120, 15, -40, 0.5], "int8", 1.5, -3).tobytes()
    with Image.open(io.BytesIO(draw(data, spec, preprocessing))) as picture:
        assert (picture.format, picture.size) == ("PNG", (2, 1))
        pixels = picture.tobytes("raw", color)
    assert normalize(pixels, spec, preprocessing) == data


def test_a_large_picture_is_made_small_and_keeps_its_colors() -> None:
    predictor = load("shapes")
    whole, small = (example_picture(predictor, side) for side in (None, 32))
    assert whole is not None
    assert small is not None
    with Image.open(io.BytesIO(base64.b64decode(whole))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (224, 224))
        means = np.asarray(picture).reshape(32, 7, 32, 7, 3).mean((1, 3))
    with Image.open(io.BytesIO(base64.b64decode(small))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (32, 32))
        assert np.abs(np.asarray(picture) - means).max() <= 1
