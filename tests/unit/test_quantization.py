from __future__ import annotations

import math
import struct
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import product

import numpy as np
import pytest

from liteship.config import NORMALIZATIONS
from liteship.quantization import (
    INTEGER_RANGE,
    ITEM_BYTES,
    TYPECODES,
    dequantize,
    pixel_table,
    quantize,
    sigmoid,
    softmax,
)

CHANNELS = [
    (name, mean, std)
    for name, (means, stds) in NORMALIZATIONS.items()
    for mean, std in zip(means, stds if len(stds) == len(means) else stds * len(means), strict=True)
]


def test_a_dtype_is_as_wide_as_numpys() -> None:
    assert {dtype: np.dtype(dtype).itemsize for dtype in TYPECODES} == ITEM_BYTES


def test_integer_ranges_are_the_dtypes_own() -> None:
    limits = {dtype: np.iinfo(dtype) for dtype in INTEGER_RANGE}
    assert {dtype: (int(i.min), int(i.max)) for dtype, i in limits.items()} == INTEGER_RANGE


def test_rounds_half_to_even() -> None:
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert list(quantize(halves, "int8", 1.0, 0)) == [-2, -2, 0, 0, 2, 2]


@pytest.mark.parametrize("dtype", INTEGER_RANGE)
def test_saturates_at_both_ends(dtype: str) -> None:
    least, greatest = INTEGER_RANGE[dtype]
    values = [-1e9, least - 1, least, greatest, greatest + 1, 1e9]
    assert list(quantize(values, dtype, 1.0, 0)) == [least] * 3 + [greatest] * 3


@pytest.mark.parametrize("dtype", INTEGER_RANGE)
def test_quantize_is_the_formula_on_random_numbers(dtype: str) -> None:
    rng = np.random.default_rng(11)
    least, greatest = INTEGER_RANGE[dtype]
    for _ in range(200):
        scale, zero_point = rng.uniform(1e-4, 10), int(rng.integers(least, greatest + 1))
        values = [rng.normal(0, scale * 100) for _ in range(20)]
        expected = [
            int((Decimal(value / scale)).quantize(Decimal(1), ROUND_HALF_EVEN)) + zero_point
            for value in values
        ]
        clipped = [min(max(each, least), greatest) for each in expected]
        assert list(quantize(values, dtype, scale, zero_point)) == clipped


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_every_integer_survives_the_way_there_and_back(dtype: str) -> None:
    rng = np.random.default_rng(12)
    least, greatest = INTEGER_RANGE[dtype]
    every = list(range(least, greatest + 1))
    for _ in range(50):
        scale, zero_point = rng.uniform(1e-6, 1e3), int(rng.integers(least, greatest + 1))
        real = dequantize(every, scale, zero_point)
        assert list(quantize(real, dtype, scale, zero_point)) == every
        assert real[zero_point - least] == 0


@pytest.mark.parametrize(
    ("channel", "dtype"), list(product(CHANNELS, ["float32", "int8", "uint8", "int16"]))
)
def test_a_pixel_table_is_the_formula_for_all_256_pixels(
    channel: tuple[str, float, float], dtype: str
) -> None:
    _, mean, std = channel
    rng = np.random.default_rng(13)
    # The scale that spreads the channel's range over the dtype, and some that do not fit it.
    low, high = (0 - mean) / std, (255 - mean) / std
    for factor in (1.0, 0.1, rng.uniform(0.2, 5)):
        if dtype == "float32":
            scale, zero_point = 0.0, 0
            expected = [np.float32((pixel - mean) / std).tobytes() for pixel in range(256)]
        else:
            least, greatest = INTEGER_RANGE[dtype]
            scale = (high - low) / (greatest - least) * factor
            zero_point = min(max(round(least - low / scale), least), greatest)
            steps = [np.rint((pixel - mean) / std / scale) + zero_point for pixel in range(256)]
            expected = [np.clip(step, least, greatest).astype(dtype).tobytes() for step in steps]
        tables = pixel_table(mean, std, dtype, scale, zero_point)
        assert len(tables) == ITEM_BYTES[dtype]
        assert all(len(table) == 256 for table in tables)
        assert [bytes(table[pixel] for table in tables) for pixel in range(256)] == expected


def test_a_unit_table_at_the_scale_of_one_pixel_is_a_shift() -> None:
    (table,) = pixel_table(0.0, 255.0, "int8", 1 / 255, -128)
    assert table == struct.pack("256b", *range(-128, 128))


def test_softmax_is_the_formula_and_cannot_overflow() -> None:
    rng = np.random.default_rng(14)
    for _ in range(100):
        values = [rng.normal(0, 20) for _ in range(int(rng.integers(1, 13)))]
        expected = np.exp(values) / np.exp(values).sum()
        assert softmax(values) == pytest.approx(expected.tolist())
        assert math.fsum(softmax(values)) == pytest.approx(1)
    assert softmax([1e308, 0.0, -1e308]) == [1, 0, 0]


def test_sigmoid_is_the_formula_and_cannot_overflow() -> None:
    values = np.linspace(-50, 50, 201)
    assert sigmoid(values.tolist()) == pytest.approx((1 / (1 + np.exp(-values))).tolist())
    assert sigmoid([-1e308, 0.0, 1e308]) == [0, 0.5, 1]
