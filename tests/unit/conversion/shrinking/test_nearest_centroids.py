"""The exact clustering, against trying every possibility."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from liteship.conversion.shrinking.clustering import nearest_centroids

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = np.arange(-128, 128)


def cost(histogram: NDArray[np.float64], chosen: NDArray[np.int64]) -> float:
    return float((histogram * (VALUES - chosen) ** 2).sum())


def cheapest(histogram: NDArray[np.float64], clusters: int) -> float:
    """The least cost of all sets of centroids with zero among them, each value going to its nearest."""
    present = VALUES[histogram > 0]
    candidates = range(int(present.min()), int(present.max()) + 1)
    others = [value for value in candidates if value]
    best = np.inf
    for chosen in itertools.combinations(others, clusters - 1):
        distances = np.abs(VALUES[:, None] - np.array([0, *chosen])[None, :]).min(axis=1)
        best = min(best, float((histogram * distances**2).sum()))
    return best


def test_no_choice_of_values_is_better() -> None:
    rng = np.random.default_rng(3)
    for clusters in (2, 3, 4):
        for _ in range(10):
            histogram = np.zeros(256)
            histogram[rng.integers(120, 137, 9)] = rng.integers(1, 50, 9)
            assert cost(histogram, nearest_centroids(histogram, clusters)) == cheapest(
                histogram, clusters
            )


@pytest.mark.parametrize("clusters", [2, 8, 16, 255])
@pytest.mark.parametrize("zero", [0, -3, 127, -128])
def test_zero_stays_and_values_are_few_and_in_order(clusters: int, zero: int) -> None:
    histogram = np.random.default_rng(clusters).integers(0, 9, 256).astype(float)
    chosen = nearest_centroids(histogram, clusters, zero=zero)
    assert chosen[zero + 128] == zero
    assert len(np.unique(chosen)) <= clusters
    assert (np.diff(chosen) >= 0).all()
    assert chosen.min() >= -128
    assert chosen.max() <= 127


def test_with_as_many_clusters_as_values_nothing_changes() -> None:
    assert nearest_centroids(np.ones(256), 256).tolist() == VALUES.tolist()
    few = np.zeros(256)
    few[[100, 128, 131, 250]] = [5, 1000, 7, 1]
    chosen = nearest_centroids(few, 4)
    assert chosen[few > 0].tolist() == VALUES[few > 0].tolist()


def test_more_clusters_are_never_worse() -> None:
    histogram = np.random.default_rng(9).integers(0, 1000, 256).astype(float)
    costs = [cost(histogram, nearest_centroids(histogram, clusters)) for clusters in range(2, 40)]
    assert costs == sorted(costs, reverse=True)
