"""Affine quantization in the standard library.

A quantized integer q stands for the real number (q - zero_point) × scale
(Jacob et al. 2018, https://arxiv.org/abs/1712.05877, eq. 1). Going back, liteship does what XNNPACK
does, to the bit: it multiplies float32 numbers by the float32 reciprocal of the scale, rounds half to
even, and saturates at the ends of the dtype. So LiteRT may do it instead: `codecs/quantizer.py`.

In and out: numbers, `bytes` and `array.array`. Imports nothing outside the standard library: this
module runs at every cold start.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INTEGER_RANGE = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
"""Least and greatest value of the dtypes that carry a scale and a zero point."""

TYPECODES = {
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "bool": "B",
}
"""`array.array` type code for every tensor dtype liteship serves."""

ITEM_BYTES = {dtype: array(code).itemsize for dtype, code in TYPECODES.items()}
"""Bytes an element of each dtype takes."""


FLOAT32_MAX = 3.4028234663852886e38
"""Greatest number of a float32."""

GREATEST_REAL = 3.4028235677973362e38
"""Greatest float64 that is finite as a float32: less than half a step above `FLOAT32_MAX`."""


_SAMPLING = 8
"""One of so many scores is looked at to tell which can be among the best."""


def quantize(values: Iterable[float], dtype: str, scale: float, zero_point: int) -> array[int]:
    """Quantizes real numbers.

    Args:
        values: Finite real numbers; taken as float32.
        dtype: `int8`, `uint8` or `int16`.
        scale: Real size of one step, greater than 0.
        zero_point: The integer that stands for 0.0.

    Returns:
        An array of `dtype`, as long as `values`: round-half-even(value × (1 / scale)) + zero_point,
        saturated to the range of the dtype; reciprocal and product are float32.
    """
    least, greatest = INTEGER_RANGE[dtype]
    lowest, highest = least - zero_point, greatest - zero_point
    (reciprocal,) = array("f", [min(1 / scale, FLOAT32_MAX)])
    # Two float32 numbers have an exact product in Python's float64, so `array` rounds it only once
    steps = array("f", [value * reciprocal for value in array("f", values)])
    saturated = [  # a quarter of the time of `min` and `max`
        lowest if step < lowest else highest if step > highest else round(step) for step in steps
    ]
    return array(TYPECODES[dtype], [step + zero_point for step in saturated])


def are_finite(numbers: array[float]) -> bool:
    """Whether none of an array's floats is NaN or an infinity."""
    if numbers.typecode == "f":
        # Sign and upper exponent of each, little-endian: below 2^127 they are no 7f and no ff
        tops = numbers.tobytes()[3::4]
        if b"\x7f" not in tops and b"\xff" not in tops:
            return True
    return all(map(math.isfinite, numbers))


def dequantize(values: Sequence[int], scale: float, zero_point: int) -> list[float]:
    """Real numbers behind quantized ones: (q - zero_point) × scale."""
    return [(value - zero_point) * scale for value in values]


@lru_cache(maxsize=64)  # as below
def real_table(dtype: str, scale: float, zero_point: int) -> tuple[float, ...]:
    """The real number behind each byte of a tensor of `int8` or `uint8`."""
    every = array(TYPECODES[dtype], bytes(range(256)))
    return tuple(dequantize(every, scale, zero_point))


@lru_cache(maxsize=64)  # the same few tables for every request
def pixel_table(
    mean: float, std: float, dtype: str, scale: float, zero_point: int
) -> tuple[bytes, ...]:
    """Maps every 8-bit pixel value to the bytes the model wants for it.

    A pixel p becomes the real number (p - mean) / std, and that number becomes an element of
    `dtype`: itself for `float32`, quantized for the integer types. A channel has only 256 values, so
    this is computed 256 times instead of once a pixel.

    Args:
        mean: Subtracted from the pixel, in pixel units (0-255).
        std: Divisor, in pixel units, not 0.
        dtype: dtype of the input tensor: `float32`, `int8`, `uint8` or `int16`.
        scale: Scale of the input tensor; unused for `float32`.
        zero_point: Zero point of the input tensor; unused for `float32`.

    Returns:
        One 256-byte table for `bytes.translate` per byte of an element, in memory order.
    """
    real = [(pixel - mean) / std for pixel in range(256)]
    if dtype == "float32":
        elements = array("f", real).tobytes()
    else:
        elements = quantize(real, dtype, scale, zero_point).tobytes()
    size = ITEM_BYTES[dtype]
    return tuple(elements[offset::size] for offset in range(size))


def softmax(values: Sequence[float]) -> list[float]:
    """exp(v) / Σ exp(v), shifted by the maximum so that it cannot overflow."""
    peak = max(values)
    exponentials = [math.exp(value - peak) for value in values]
    total = sum(exponentials)
    return [value / total for value in exponentials]


def best_indices(scores: Sequence[float], most: int) -> list[int]:
    """Where the greatest numbers are, greatest first; the first of equals before the others.

    Args:
        scores: Finite.
        most: How many, at least 1.
    """
    indices: Iterable[int] = range(len(scores))
    sample = scores[::_SAMPLING]
    if most <= len(sample):
        # None of the best is below so many of the sample's best: few are left to sort
        least = sorted(sample)[-most]
        indices = [index for index, score in enumerate(scores) if score >= least]
    return sorted(indices, key=lambda index: (-scores[index], index))[:most]


def sigmoid(values: Sequence[float]) -> list[float]:
    """1 / (1 + exp(-v)) of each value, without overflow for large negative ones."""
    return [
        1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
        for value in values
    ]
