from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship import Artifact, Predictor
from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing, TensorSpec
from liteship.errors import ArtifactError
from liteship.quantization import TYPECODES
from liteship.runtime.joining import hand_over, join, join_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

QUANTIZED: dict[str, Any] = {"scale": 0.5, "zero_point": 3}


def spec(name: str, dtype: str = "float32", elements: int = 2, **quantization: Any) -> TensorSpec:
    return TensorSpec(name, dtype, (1, elements), **quantization)


def model(
    name: str, *, inputs: Sequence[TensorSpec] = (), outputs: Sequence[TensorSpec] = ()
) -> Manifest:
    return Manifest(
        name=name,
        version="1",
        sha256="",
        size_bytes=0,
        scheme="float32",
        inputs=inputs or [spec("in")],
        outputs=outputs or [spec("out")],
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(),
        golden=Golden("golden", []),
        provenance={},
    )


def predictor(manifest: Manifest) -> Predictor:
    """Only what it reads is asked here; it is never run."""
    return Predictor(Artifact(manifest, b"", []))


def names(first: Manifest, second: Manifest) -> list[tuple[str, str]]:
    return [(source.name, target.name) for source, target in join(first, second)]


def test_one_output_goes_to_one_input_whatever_the_names_are() -> None:
    first, second = model("a", outputs=[spec("logits")]), model("b", inputs=[spec("features")])
    assert names(first, second) == [("logits", "features")]
    assert join_problems(first, second) == []


def test_several_are_joined_by_name_and_the_rest_is_left() -> None:
    first = model("a", outputs=[spec("boxes"), spec("left"), spec("scores")])
    second = model("b", inputs=[spec("scores"), spec("boxes")])
    assert names(first, second) == [("scores", "scores"), ("boxes", "boxes")]
    assert join_problems(first, second) == []


def test_the_shape_may_differ_where_the_elements_do_not() -> None:
    first = model("a", outputs=[TensorSpec("x", "float32", (-1, 2, 3))])
    assert join_problems(first, model("b", inputs=[TensorSpec("x", "float32", (1, 6))])) == []


def test_every_problem_is_told_at_once() -> None:
    outputs = [spec("size", elements=3), spec("index"), spec("flag", "int32"), spec("left")]
    inputs = [spec("size"), spec("index", "int64"), spec("flag", "bool"), spec("gone")]
    problems = join_problems(model("a", outputs=outputs), model("b", inputs=inputs))
    assert len(problems) == 4
    assert "input gone float32 [1×2] of b has no output of that name in a" in problems[0]
    assert "size float32 [1×3] of a to input size float32 [1×2] of b: 3 elements" in problems[1]
    assert "int64 is given as it is" in problems[2]
    assert "bool is given as it is" in problems[3]


REAL = [-1.5, 2.25]


@pytest.mark.parametrize(
    ("source", "target", "values", "expected"),
    [
        (("float32", {}), ("float32", {}), REAL, REAL),
        (("float32", {}), ("float64", {}), REAL, REAL),
        (("float64", {}), ("float32", {}), REAL, REAL),
        # round half to even: 2.25 / 0.5 = 4.5 → 4
        (("float32", {}), ("int8", QUANTIZED), REAL, [-3 + 3, 4 + 3]),
        (("int8", QUANTIZED), ("float32", {}), [0, 7], [-1.5, 2.0]),
        (("int8", QUANTIZED), ("uint8", {"scale": 0.25, "zero_point": 100}), [0, 7], [94, 108]),
        (("int16", {"scale": 100.0, "zero_point": 0}), ("int8", QUANTIZED), [-9, 9], [-128, 127]),
        (("int8", QUANTIZED), ("int8", QUANTIZED), [-128, 127], [-128, 127]),
        (("int64", {}), ("int64", {}), [-(2**60) - 1, 2**60 + 1], [-(2**60) - 1, 2**60 + 1]),
        (("bool", {}), ("bool", {}), [0, 1], [0, 1]),
        (("int8", {}), ("int8", {}), [-5, 5], [-5, 5]),
        (("int32", {}), ("float32", {}), [7, -7], [7.0, -7.0]),
        (("bool", {}), ("int8", QUANTIZED), [0, 1], [3, 5]),
    ],
)
def test_values_are_handed_over_as_real_numbers(
    source: tuple[str, Any], target: tuple[str, Any], values: list[float], expected: list[float]
) -> None:
    first = model("a", outputs=[spec("x", source[0], **source[1])])
    second = model("b", inputs=[spec("y", target[0], **target[1])])
    assert join_problems(first, second) == []
    given = {"x": array(TYPECODES[source[0]], values).tobytes()}
    tensors = hand_over(predictor(first), given, predictor(second))
    assert np.array(array(TYPECODES[target[0]], tensors["y"])).tolist() == expected
    assert tensors.keys() == {"y"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_ends_here(value: float) -> None:
    first, second = model("a", outputs=[spec("x")]), model("b", inputs=[spec("x", "int8", **QUANTIZED)])
    with pytest.raises(ArtifactError) as raised:
        hand_over(predictor(first), {"x": array("f", [0, value]).tobytes()}, predictor(second))
    assert raised.value.reference == "output-not-finite"
