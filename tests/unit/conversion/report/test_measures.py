from __future__ import annotations

import math

import numpy as np
import pytest

from liteship.artifact import TensorSpec
from liteship.conversion.report import measures


def test_confusion_counts_every_pair_once() -> None:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 4, (2, 500))
    found = measures.confusion(labels, predicted, ["a", "b", "c", "d"])
    assert sum(count for _, _, count in found.cells) == 500
    for label, guess, count in found.cells:
        assert count == ((labels == label) & (predicted == guess)).sum()
    assert list(found.cells) == sorted(found.cells)


def test_a_class_without_a_name_is_its_number() -> None:
    found = measures.confusion(np.array([0, 1]), np.array([2, 1]), ["a"])
    assert found.classes == ("a", "1", "2")
    assert measures.confusion(np.array([], int), np.array([], int), ["a"]).cells == ()


def test_outputs_are_compared_value_by_value() -> None:
    rng = np.random.default_rng(4)
    source = rng.normal(size=(50, 6)).astype(np.float32)
    artifact = source + rng.normal(size=source.shape).astype(np.float32) / 100
    found = measures.compare_outputs("o", source, artifact, data="calibration", classifies=True)
    difference = artifact.astype(np.float64) - source
    assert found.samples == 50
    assert found.max_error == pytest.approx(np.abs(difference).max())
    assert found.rms_error == pytest.approx(np.sqrt((difference**2).mean()))
    assert found.top1_agreement == (source.argmax(1) == artifact.argmax(1)).mean()
    assert 0.999 < (found.similarity or 0) < 1
    assert sum(found.histogram) == 300
    assert len(found.histogram) == measures.BINS
    assert -found.histogram_least == found.histogram_greatest == found.max_error


def test_equal_outputs_stand_in_the_middle_bin() -> None:
    same = np.ones((3, 2), np.float32)
    found = measures.compare_outputs("o", same, same, data="calibration", classifies=False)
    assert (found.max_error, found.rms_error, found.similarity) == (0, 0, 1)
    assert found.histogram[measures.BINS // 2] == 6


def test_values_that_are_no_numbers_are_counted_and_left_out() -> None:
    source = np.array([[1, 2], [3, 4]], np.float32)
    artifact = np.array([[1, math.nan], [math.inf, 4.5]], np.float32)
    found = measures.compare_outputs("o", source, artifact, data="calibration", classifies=True)
    assert (found.not_finite, found.max_error, found.similarity) == (2, 0.5, None)
    assert sum(found.histogram) == 2
    nothing = np.full((1, 2), math.nan, np.float32)
    found = measures.compare_outputs("o", nothing, nothing, data="calibration", classifies=True)
    assert (found.not_finite, found.max_error, found.rms_error) == (2, 0, 0)


def test_agreement_needs_two_values_to_choose_between() -> None:
    one = np.zeros((5, 1), np.float32)
    assert measures.top1_agreement(one, one) is None
    assert measures.top1_agreement(one[:, 0], one[:, 0]) is None
    maps = np.random.default_rng(1).normal(size=(2, 3, 3, 4)).astype(np.float32)
    assert measures.top1_agreement(maps, maps) == 1


def test_scalar_outputs_have_a_histogram_too() -> None:
    source = np.array([1.0, 2.0], np.float32)
    found = measures.compare_outputs("o", source, source + 1, data="evaluation", classifies=False)
    assert (found.max_error, found.histogram[-1]) == (1, 2)


def test_the_99th_percentile_is_a_time_that_was_measured() -> None:
    times = [1.0] * 98 + [2.0, 50.0]
    found = measures.summarize_latency(times, "here")
    assert (found.runs, found.median_ms, found.least_ms, found.greatest_ms) == (100, 1, 1, 50)
    assert found.p99_ms == 50
    assert measures.summarize_latency([3.0], "here").p99_ms == 3


def test_each_channel_has_its_range_its_steps_and_its_saturation() -> None:
    spec = TensorSpec("x", "int8", [1, 2], scale=0.1, zero_point=-128)  # holds 0 to 25.5
    calibration = {"x": np.array([[0, 0.5], [25.5, 1.0]], np.float32)}
    evaluation = {"x": np.array([[30, 0.7], [-1, 2.0], [25.54, 1], [3, 1]], np.float32)}
    first, second = measures.coverage(calibration, evaluation, [spec])
    assert first.representable_least == pytest.approx(0)
    assert first.representable_greatest == pytest.approx(25.5)
    assert first.steps == pytest.approx(255)
    assert second.steps == pytest.approx(5)
    assert first.saturated == 0.5  # 25.54 is rounded to the last step, as every value is to its own
    assert second.saturated == 0
    assert (first.unseen, second.unseen) == (0.75, 0.25)


def test_pictures_are_covered_by_color_and_scalars_as_they_are() -> None:
    picture = TensorSpec("p", "int8", [-1, 4, 4, 3], scale=1 / 255, zero_point=-128)
    scalar = TensorSpec("s", "float32", [-1])
    values = np.random.default_rng(2).uniform(0, 1, (5, 4, 4, 3)).astype(np.float32)
    calibration = {"p": values, "s": np.array([1, 2], np.float32)}
    found = measures.coverage(calibration, None, [picture, scalar])
    assert [(each.input, each.channel) for each in found] == [("p", 0), ("p", 1), ("p", 2), ("s", 0)]
    assert found[1].calibrated_greatest == pytest.approx(values[..., 1].max())
    assert found[0].saturated is None
    assert (found[3].representable_least, found[3].steps, found[3].unseen) == (None, None, None)
    (float_input,) = measures.coverage(calibration, {"s": np.array([3.0])}, [scalar])
    assert (float_input.saturated, float_input.unseen) == (None, 1.0)


def test_identifiers_keep_their_range_and_have_no_steps() -> None:
    spec = TensorSpec("ids", "int32", [1, 1])
    (found,) = measures.coverage({"ids": np.array([[3], [900]], np.int32)}, None, [spec])
    assert (found.calibrated_least, found.calibrated_greatest, found.steps) == (3, 900, None)
