"""Clusters the weights of a quantized `.tflite`: fewer distinct values compress to fewer bytes.

Needs no training and no knowledge of the source's format. The file itself keeps its size and all its
bytes but those of the weights; what shrinks is what is shipped, which is compressed (decision record
11). Runs in the conversion's child process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.shrinking.weights import constant_tensors
from liteship.errors import ConversionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_ELEMENTS = 1024
"""Of a tensor that is clustered: smaller ones have nothing to give."""

_PART = 1 << 20
"""Weights at a time: counting turns each byte into an integer of eight."""

_VALUES = np.arange(-128, 128)


def cluster_int8(model: bytes, clusters: int) -> bytes:
    """Gives each int8 weight tensor at most so many distinct values, zero among them.

    The values are the best there are: one-dimensional k-means over 256 integers has an exact solution
    by dynamic programming (Wang and Song 2011, https://doi.org/10.32614/RJ-2011-015).

    Args:
        model: Content of a `.tflite` whose weights are int8.
        clusters: Distinct values a tensor, 2 to 256.

    Returns:
        The model with other weights, of the same size. Weights that were zero stay zero.

    Raises:
        ConversionError: `clusters-invalid`, or `nothing-to-cluster` if no tensor is int8 and large.
    """
    if not 2 <= clusters <= 256:
        raise ConversionError(
            "clusters-invalid",
            "weights cannot be clustered into so few or so many values",
            expected="2 to 256 clusters",
            received=str(clusters),
            hint="use 16",
        )
    content = bytearray(model)
    tensors = [
        tensor
        for tensor in constant_tensors(content)
        if tensor.dtype == "int8" and tensor.data.size >= LEAST_ELEMENTS
    ]
    if not tensors:
        raise ConversionError(
            "nothing-to-cluster",
            f"the model has no int8 weight tensor of {LEAST_ELEMENTS} elements or more",
            hint="convert it with scheme int8 or dynamic, or leave clustering out",
        )
    for tensor in tensors:
        parts = [tensor.data[start : start + _PART] for start in range(0, tensor.data.size, _PART)]
        counts = sum(np.bincount(part, minlength=256) for part in parts)
        # Counted as unsigned bytes; rolled to int8's order, -128 first, and back
        nearest = nearest_centroids(
            np.roll(counts, 128).astype(np.float64), clusters, zero=tensor.zero_point
        )
        table = np.roll(nearest, 128).astype(np.int8).view(np.uint8)
        for part in parts:
            part[:] = table[part]
    return bytes(content)


def nearest_centroids(histogram: Floats, clusters: int, *, zero: int = 0) -> NDArray[np.int64]:
    """The value that takes each value's place, so that the sum of squared differences is least.

    Args:
        histogram: float64 array of shape (256,): how often each value from -128 to 127 occurs.
        clusters: Distinct values at most.
        zero: The value that keeps its place: it stands for 0.0.

    Returns:
        int64 array of shape (256,), values -128 to 127, never decreasing.
    """
    cost, centroid = _segments(histogram, zero)
    # best[j]: least cost of the values below j, in so many segments; came[k, j]: where the last began
    best = np.full(257, np.inf)
    best[0] = 0
    came = np.zeros((clusters, 257), np.int64)
    for count in range(clusters):
        totals = best[:, None] + cost
        came[count] = totals.argmin(axis=0)
        # one segment more is never worse: an empty one costs nothing
        best = totals.min(axis=0)
    result = np.zeros(256, np.int64)
    end = 256
    for count in reversed(range(clusters)):
        start = int(came[count, end])
        result[start:end] = centroid[start, end]
        end = start
    return result


def _segments(histogram: Floats, zero: int) -> tuple[Floats, NDArray[np.int64]]:
    """Cost and centroid of every segment [start, end): arrays of shape (257, 257), infinite below."""
    moments = [np.concatenate([[0], np.cumsum(histogram * _VALUES**power)]) for power in range(3)]
    count, total, square = (each[None, :] - each[:, None] for each in moments)
    centroid = np.rint(total / np.maximum(count, 1)).astype(np.int64)
    start, end = np.arange(257)[:, None] - 128, np.arange(257)[None, :] - 128
    centroid[(start <= zero) & (zero < end)] = zero
    cost = square - 2 * centroid * total + centroid**2 * count
    return np.where(start <= end, cost, np.inf), centroid
