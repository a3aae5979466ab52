"""The yardstick normalises by formula; the deployed path by tables. Both must agree."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing, TensorSpec
from liteship.conversion.data import Evaluation
from liteship.conversion.reference import normalized_inputs, to_picture
from liteship.runtime.codecs.image import decode_image


@pytest.mark.parametrize("resize", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("color", ["L", "RGB", "BGR"])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 1), (6, 4, 3), (11, 13, 3)])
def test_formula_and_tables_agree(shape: tuple[int, ...], color: str, resize: str) -> None:
    channels = 1 if color == "L" else 3
    spec = TensorSpec("x", "float32", [-1, 6, 4, channels])
    mean, std = [10.0, 20.0, 30.0][:channels], [58.4, 57.1, 57.4][:channels]
    preprocessing = Preprocessing("image", color, resize, mean, std)
    pictures = np.random.default_rng(61).integers(0, 256, (3, *shape), np.uint8)
    evaluation = Evaluation(inputs={"x": pictures}, labels=np.zeros(3, np.int64))
    by_formula = normalized_inputs(evaluation, [spec], preprocessing)["x"]
    assert by_formula.shape == (3, 6, 4, channels)
    for picture, expected in zip(pictures, by_formula, strict=True):
        buffer = io.BytesIO()
        to_picture(picture).save(buffer, "PNG")
        tensors = decode_image(buffer.getvalue(), manifest(spec, preprocessing), 10_000)
        received = np.frombuffer(tensors["x"], np.float32).reshape(spec.item_shape[1:])
        np.testing.assert_allclose(received, expected, rtol=1e-6, atol=1e-6)


def test_tensors_are_what_the_model_takes() -> None:
    evaluation = Evaluation(inputs={"x": np.eye(2)}, labels=np.zeros(2, np.int64))
    assert normalized_inputs(evaluation, [], Preprocessing("tensor")) is evaluation.inputs


def manifest(spec: TensorSpec, preprocessing: Preprocessing) -> Manifest:
    nothing: dict[str, Any] = {}
    return Manifest(
        name="sample",
        version="1",
        sha256="",
        size_bytes=0,
        scheme="float32",
        inputs=[spec],
        outputs=[TensorSpec("out", "float32", [1])],
        preprocessing=preprocessing,
        postprocessing=Postprocessing(),
        golden=Golden("golden", [bytes(4)]),
        provenance=nothing,
    )
