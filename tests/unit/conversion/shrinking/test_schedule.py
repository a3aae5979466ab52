from __future__ import annotations

import numpy as np
import pytest

from liteship.conversion.shrinking.schedule import (
    Ramp,
    least_prunable,
    magnitude_mask,
    pruned_count,
    require_sparsity,
    sparsity_at,
)
from liteship.errors import ConfigurationError


def test_the_ramp_is_zhu_and_guptas() -> None:
    """s(t) = s_f + (s_i - s_f) (1 - (t - t_0) / (n Δt))³, here with s_i = 0."""
    for progress in np.linspace(0.2, 0.8, 13):
        by_the_paper = 0.9 + (0 - 0.9) * (1 - (progress - 0.2) / 0.6) ** 3
        assert sparsity_at(progress, 0.9, begin=0.2, end=0.8) == pytest.approx(by_the_paper)


def test_the_ramp_begins_at_nothing_never_falls_and_ends_at_its_target() -> None:
    values = [sparsity_at(progress, 0.7, begin=0.1, end=0.6) for progress in np.linspace(0, 1, 101)]
    assert values == sorted(values)
    assert set(values[:10]) == {0.0}
    assert set(values[61:]) == {0.7}
    assert values[35] > 0.7 * 0.85  # much early


@pytest.mark.parametrize("target", [0.0, 0.5, 0.9, 0.999])
def test_masks_are_due_once_a_hundredth_and_at_the_end(target: float) -> None:
    ramp = Ramp(target)
    due = [value for step in range(10_001) if (value := ramp.due(step / 10_000)) is not None]
    assert due == sorted(set(due))
    assert len(due) <= 100
    assert ramp.current == target
    assert due[-1:] == ([target] if target else [])


def test_a_training_of_one_step_is_pruned_too() -> None:
    assert Ramp(0.8).due(1.0) == 0.8


@pytest.mark.parametrize("target", [-0.1, 1.0, 1.5, float("nan"), float("inf")])
def test_what_is_no_sparsity_is_refused(target: float) -> None:
    for refuse in (require_sparsity, Ramp):
        with pytest.raises(ConfigurationError) as raised:
            refuse(target)
        assert raised.value.reference == "sparsity-invalid"
        assert raised.value.received == repr(target)


@pytest.mark.parametrize(("begin", "end"), [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.0, 1.1)])
def test_a_ramp_outside_the_training_is_refused(begin: float, end: float) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Ramp(0.5, begin=begin, end=end)
    assert raised.value.received == f"begin {begin!r}, end {end!r}"


def test_the_smallest_go_and_exactly_as_many_as_asked() -> None:
    rng = np.random.default_rng(5)
    for sparsity in (0.0, 0.1, 0.5, 0.9, 0.99):
        values = rng.normal(size=(7, 11, 13)).astype(np.float32)
        kept = magnitude_mask(values, sparsity)
        assert kept.shape == values.shape
        assert int((~kept).sum()) == pruned_count(values.size, sparsity)
        if (~kept).any():
            assert np.abs(values[~kept]).max() < np.abs(values[kept]).min()


def test_of_equal_weights_the_first_go() -> None:
    values = np.array([2, -1, 1, 1, -1, 3], np.float32)
    assert magnitude_mask(values, 0.5).tolist() == [True, False, False, False, True, True]
    assert magnitude_mask(np.zeros(4, np.float32), 0.5).tolist() == [False, False, True, True]


def test_the_count_is_never_below_the_share() -> None:
    for size in range(1, 300):
        for hundredths in range(100):
            count = pruned_count(size, hundredths / 100)
            assert count * 100 >= size * hundredths  # exact, in integers
            assert (count - 1) * 100 < size * hundredths or count == 0


def test_small_kernels_stay_whole() -> None:
    assert least_prunable([]) == 1024
    assert least_prunable([288, 1440]) == 1024
    assert least_prunable([288, 18_432, 147_456, 1_440]) == 2304
    assert least_prunable([589_824] * 48) < 589_824  # of many alike, none is small
