from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data.tensors import constant_problems, model_input, picture_array

PICTURES = Preprocessing("image", "RGB", mean=[0.0] * 3, std=[255.0] * 3)
RAW_PICTURES = Preprocessing("image", "RGB", mean=[0.0] * 3, std=[1.0] * 3)
TENSORS = Preprocessing("tensor")
ROWS = TensorSpec("x", "float32", [-1, 2])
IDS = TensorSpec("ids", "int32", [-1, 2])
IMAGE = TensorSpec("image", "float32", [-1, 6, 4, 3])
CHANNELS_FIRST = TensorSpec("image", "float32", [-1, 3, 6, 4])
RNG = np.random.default_rng(11)


@pytest.mark.parametrize(
    "dtype", [">f4", "float16", "float64", ">f8", "int8", "uint8", "int64", "bool"]
)
def test_numbers_become_float32_where_nothing_is_lost(dtype: str) -> None:
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    converted, problems = model_input(values, ROWS, TENSORS)
    assert not problems
    assert converted is not None
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, [[0, 1], [1, 0]])


def test_float64_is_rounded_to_the_nearest_float32() -> None:
    values = np.array([[0.1, -1 / 3]])
    converted, problems = model_input(values, ROWS, TENSORS)
    assert not problems
    np.testing.assert_array_equal(converted, values.astype(np.float32))


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint8", "int16", "uint32", "int64", "uint64", "float16", "float64", "longdouble", "bool"],
)
def test_whole_numbers_become_ids(dtype: str) -> None:
    converted, problems = model_input(np.array([[0, 1]]).astype(dtype), IDS, TENSORS)
    assert not problems
    assert converted is not None
    assert converted.dtype == np.int32
    assert converted.tolist() == [[0, 1]]


LOSSY: dict[str, tuple[TensorSpec, Any, str]] = {
    "float64 beyond float32": (ROWS, [[1e39, 1.0]], "x: 1 of 2 values are too great for float32"),
    "NaN": (ROWS, [[np.nan, 1.0]], "x: 1 of 2 values are NaN or infinite"),
    "an integer that float32 rounds": (
        ROWS,
        np.array([[2**24 + 1, 0]]),
        "x: expected float32, received int64: 1 of 2 values lose digits",
    ),
    "an integer that float64 rounds": (
        ROWS,
        np.array([[2**63 - 1, 2**54]]),
        "x: expected float32, received int64: 2 of 2 values lose digits",
    ),
    "complex": (ROWS, [[1j, 0]], "x: expected float32, received complex128"),
    "text": (ROWS, [["a", "b"]], "x: expected float32, received <U1"),
    "dates": (ROWS, np.zeros((1, 2), "M8[s]"), "x: expected float32, received datetime64[s]"),
    "fractions for ids": (
        IDS,
        [[0.5, 1.0]],
        "ids: expected int32, received float64: 1 of 2 values are no whole numbers",
    ),
    "NaN for ids": (
        IDS,
        [[np.nan, np.inf]],
        "ids: expected int32, received float64: 2 of 2 values are no whole numbers",
    ),
    "ids that floats round": (IDS, [[1e300, 0.0]], "ids: 1 of 2 values are too great to be exact"),
    "ids beyond int32": (
        IDS,
        np.array([[2**31, 0]]),
        "ids: expected int32, from -2147483648 to 2147483647, received int64 from 0 to 2147483648",
    ),
    "ids beyond int64": (
        TensorSpec("ids", "int64", [-1, 2]),
        np.array([[2**63, 0]], np.uint64),
        f"ids: expected int64, from {-(2**63)} to {2**63 - 1}, received uint64 from 0 to {2**63}",
    ),
    "numbers for a switch": (
        TensorSpec("flag", "bool", [-1, 2]),
        np.array([[2, 0]]),
        "flag: expected bool, from 0 to 1, received int64 from 0 to 2",
    ),
}


@pytest.mark.parametrize("name", LOSSY)
def test_what_would_lose_something_is_refused(name: str) -> None:
    spec, values, expected = LOSSY[name]
    converted, problems = model_input(np.array(values), spec, TENSORS)
    assert converted is None
    assert problems == [expected]


def test_every_problem_of_an_array_is_told() -> None:
    values = np.array([[np.nan, 1e39, 0.0]])
    assert model_input(values, ROWS, TENSORS)[1] == [
        "x: expected shape (samples, 2), received (1, 3)",
        "x: 1 of 3 values are NaN or infinite",
        "x: 1 of 3 values are too great for float32",
    ]


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_raw_pixels_are_refused_for_a_model_that_sees_them_normalised(dtype: str) -> None:
    pixels = RNG.integers(0, 256, (2, 6, 4, 3)).astype(dtype)
    assert model_input(pixels, IMAGE, PICTURES) == (
        None,
        [f"image: expected float32, received {dtype}, which looks like raw pixels: normalise them"],
    )
    converted, problems = model_input(pixels, IMAGE, RAW_PICTURES)
    assert not problems
    np.testing.assert_array_equal(converted, pixels)


SHAPES: dict[str, tuple[TensorSpec, tuple[int, ...], str]] = {
    "channels first": (IMAGE, (5, 3, 6, 4), "(NCHW): array.transpose(0, 2, 3, 1)"),
    "channels last": (CHANNELS_FIRST, (5, 6, 4, 3), "(NHWC): array.transpose(0, 3, 1, 2)"),
    "one channel first": (
        TensorSpec("image", "float32", [-1, 8, 8, 1]),
        (5, 1, 8, 8),
        "(NCHW): array.transpose(0, 2, 3, 1)",
    ),
    "no channel": (
        TensorSpec("image", "float32", [-1, 8, 8, 1]),
        (5, 8, 8),
        "array[..., numpy.newaxis]",
    ),
    "a column": (ROWS, (5, 2, 1), "array[..., 0]"),
    "a column of scalars": (TensorSpec("x", "float32", [-1]), (5, 1), "array[..., 0]"),
    "one sample": (IMAGE, (6, 4, 3), "array[numpy.newaxis]"),
    "exchanged axes": (TensorSpec("x", "float32", [-1, 4, 7]), (5, 7, 4), "array.transpose(0, 2, 1)"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_a_numpy_call_mends_is_told_with_the_call(name: str) -> None:
    spec, shape, call = SHAPES[name]
    values = RNG.random(shape, np.float32)
    (problem,) = model_input(values, spec, TENSORS)[1]
    assert f"received {shape}" in problem
    assert problem.endswith(call)
    mended = eval(call[call.index("array") :], {"array": values, "numpy": np})  # noqa: S307
    assert model_input(mended, spec, TENSORS)[1] == []


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (2, 2, 2), (1, 1, 1, 1, 1), (0, 3)])
def test_any_other_shape_is_told_without_one(shape: tuple[int, ...]) -> None:
    (problem,) = model_input(np.zeros(shape, np.float32), ROWS, TENSORS)[1]
    assert problem == f"x: expected shape (samples, 2), received {shape}"


@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", ">i4"])
def test_integers_from_0_to_255_are_pixels(dtype: str) -> None:
    pixels = RNG.integers(0, 256, (2, 6, 4, 3)).astype(dtype)
    converted, problems = picture_array(pixels, IMAGE)
    assert not problems
    assert converted is not None
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, pixels)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[[0, 256]]]), "image: expected pixels from 0 to 255, received 0 to 256"),
        (np.array([[[-1, 3]]]), "image: expected pixels from 0 to 255, received -1 to 3"),
        (np.zeros((2, 3, 6, 4), np.uint8), "array.transpose(0, 2, 3, 1)"),
        (np.zeros((2, 6, 4, 4), np.uint8), "array[..., :3]"),
        (np.zeros((2, 6, 4, 3)), "callers send pictures, which the function normalises"),
        (np.zeros((2, 6), np.uint8), "received uint8 of shape (2, 6)"),
    ],
)
def test_what_is_no_picture_is_refused(pixels: Any, expected: str) -> None:
    converted, (problem,) = picture_array(pixels, IMAGE)
    assert converted is None
    assert problem.endswith(expected)


def test_a_constant_calibrates_no_float_but_any_integer() -> None:
    assert constant_problems(np.ones((3, 2), np.float32), ROWS) == [
        "x: every value is 1.0; a constant calibrates nothing"
    ]
    assert constant_problems(np.eye(2, dtype=np.float32), ROWS) == []
    assert constant_problems(np.ones((3, 2), np.int32), IDS) == []
