from __future__ import annotations

import math
import struct
from array import array
from itertools import product
from typing import Any

import numpy as np
import pytest

from liteship.config import NORMALIZATIONS
from liteship.quantization import (
    FLOAT32_MAX,
    GREATEST_REAL,
    INTEGER_RANGE,
    ITEM_BYTES,
    TYPECODES,
    are_finite,
    best_indices,
    dequantize,
    pixel_table,
    quantize,
    real_table,
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
        # Half of them where one float32 more or less decides between two steps
        ties = (rng.integers(-200, 200, 20) + 0.5) * scale
        values = np.concatenate([rng.normal(0, scale * 100, 20), ties])
        expected = of_the_formula(values, dtype, scale, zero_point)
        assert quantize(values.tolist(), dtype, scale, zero_point).tolist() == expected.tolist()


def of_the_formula(values: Any, dtype: str, scale: float, zero_point: int) -> Any:
    """NumPy's float32 arithmetic."""
    steps = np.rint(np.asarray(values, np.float32) * np.float32(1 / scale)).astype(np.float64)
    return (steps + zero_point).clip(*INTEGER_RANGE[dtype]).astype(dtype)


def test_numbers_of_any_size_are_quantized() -> None:
    every = [0.0, -0.0, 1e-45, 3.4e38, -3.4e38, 1e39, -1e300]
    for scale in (1e-320, 1e-45, 1e-38, 1.0, 1e38):
        for dtype, (least, greatest) in INTEGER_RANGE.items():
            assert all(least <= each <= greatest for each in quantize(every, dtype, scale, 0))


def test_a_picture_gives_the_same_as_its_normalised_pixels() -> None:
    rng = np.random.default_rng(17)
    pixels = np.arange(256)
    for _, mean, std in CHANNELS:
        for dtype in INTEGER_RANGE:
            # 1 / std: each pixel a step, and with a mean of 127.5 each between two
            for scale in (1 / std, 2 / std, float(rng.uniform(0.1, 5)) / std):
                real = ((pixels - mean) / std).astype(np.float32)
                received = b"".join(
                    bytes(element)
                    for element in zip(*pixel_table(mean, std, dtype, scale, 0), strict=True)
                )
                assert received == quantize(real.tolist(), dtype, scale, 0).tobytes()


def test_what_is_not_finite_is_found_wherever_it_is() -> None:
    rng = np.random.default_rng(18)
    for code, kind in (("f", np.float32), ("d", np.float64)):
        numbers = np.concatenate([rng.normal(0, 1e3, 50), [np.finfo(kind).max, np.finfo(kind).min, 0]])
        assert are_finite(array(code, numbers.tolist()))
        for bad in (np.nan, -np.nan, np.inf, -np.inf):
            place = int(rng.integers(0, len(numbers)))
            assert not are_finite(array(code, [*numbers[:place], bad, *numbers[place:]]))
    # Every pattern of a float32's upper 16 bits
    every = np.arange(2**16, dtype=np.uint32) << 16
    for data in every.view(np.float32).reshape(-1, 64):
        assert are_finite(array("f", data.tobytes())) == bool(np.isfinite(data).all())


def test_a_table_has_the_real_number_of_each_byte() -> None:
    data = bytes(range(256))
    for dtype in ("int8", "uint8"):
        values = array(TYPECODES[dtype], data)
        assert list(real_table(dtype, 0.1, 7)) == dequantize(values, 0.1, 7)


def test_the_best_are_those_that_sorting_finds() -> None:
    rng = np.random.default_rng(19)
    for _ in range(300):
        size, kinds = int(rng.integers(1, 200)), int(rng.integers(1, 60))
        scores = rng.integers(0, kinds, size).astype(float).tolist()
        most = int(rng.integers(1, size + 3))
        expected = sorted(range(size), key=lambda index: (-scores[index], index))[:most]
        assert best_indices(scores, most) == expected


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
            real = [(pixel - mean) / std for pixel in range(256)]
            expected = [each.tobytes() for each in of_the_formula(real, dtype, scale, zero_point)]
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


def test_the_greatest_real_is_the_last_that_a_float32_has_a_place_for() -> None:
    beyond = math.nextafter(GREATEST_REAL, math.inf)
    assert array("f", [GREATEST_REAL, beyond]).tolist() == [FLOAT32_MAX, math.inf]
