from __future__ import annotations

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import range_causes, scale_warnings

RNG = np.random.default_rng(51)
IMAGE = TensorSpec("image", "float32", [-1, 8, 8, 1])
ROWS = TensorSpec("measurements", "float32", [-1, 4])
IDS = TensorSpec("ids", "int32", [-1, 4])
PIXELS = RNG.random((50, 8, 8, 1), np.float32)


def test_data_of_one_scale_is_no_cause_for_a_warning() -> None:
    held_out = RNG.random((30, 8, 8, 1), np.float32)
    assert scale_warnings({"image": PIXELS}, {"image": held_out}, [IMAGE]) == []
    assert scale_warnings({"image": PIXELS - 0.5}, {"image": held_out - 0.5}, [IMAGE]) == []


def test_held_out_pixels_that_nobody_normalised_are_told() -> None:
    (line,) = scale_warnings({"image": PIXELS}, {"image": PIXELS * 255}, [IMAGE])
    assert line.startswith("input image: held-out values reach 25")
    assert "(255 times): 99." in line
    assert line.endswith("% of the values saturate; normalise both as in training")
    quantized = TensorSpec("image", "int8", [-1, 8, 8, 1], 1 / 255, -128)
    assert scale_warnings({"image": PIXELS}, {"image": PIXELS * 255}, [quantized]) == [line]


def test_calibration_pixels_that_nobody_normalised_are_told() -> None:
    (line,) = scale_warnings({"image": PIXELS * 255}, {"image": PIXELS}, [IMAGE])
    assert "int8 keeps 1 of 255 steps for them" in line


@pytest.mark.parametrize(
    ("mean", "std"), [([0.0], [255.0]), ([127.5], [127.5]), ([103.939, 116.779, 123.68], [1.0] * 3)]
)
def test_pixels_have_known_ends(mean: list[float], std: list[float]) -> None:
    preprocessing = Preprocessing("image", "BGR", mean=mean, std=std)
    known = ((RNG.integers(0, 256, (20, 8, 8, len(mean))) - mean) / std).astype(np.float32)
    spec = TensorSpec("image", "float32", [-1, 8, 8, len(mean)])
    assert scale_warnings({"image": known}, {}, [spec], preprocessing) == []
    for factor in (255, 1 / 255):
        (line,) = scale_warnings({"image": known * np.float32(factor)}, {}, [spec], preprocessing)
        assert line.startswith("input image: calibration values reach ")
        assert "as in training" in line


def test_raw_pixels_as_floats_are_told_without_held_out_samples() -> None:
    preprocessing = Preprocessing("image", "L", mean=[0.0], std=[255.0])
    raw = np.full((2, 8, 8, 1), 255, np.float32)
    (line,) = scale_warnings({"image": raw}, {}, [IMAGE], preprocessing)
    assert "values reach 255, pixels normalised as [input] of function.toml says 1 (255 times)" in line


def test_a_few_values_beyond_the_range_are_not_told_but_far_ones_are() -> None:
    held_out = PIXELS.copy()
    held_out[0, 0, 0, 0] = 1.5
    assert scale_warnings({"image": PIXELS}, {"image": held_out}, [IMAGE]) == []
    held_out[0, 0, 0, 0] = -40
    (line,) = scale_warnings({"image": PIXELS}, {"image": held_out}, [IMAGE])
    assert "held-out values reach 40" in line


def test_a_range_that_does_not_hold_0_is_widened() -> None:
    """As the quantizer widens it: what lies between is not saturated."""
    assert scale_warnings({"image": PIXELS + 3}, {"image": PIXELS + 1}, [IMAGE]) == []


def test_integers_have_no_scale() -> None:
    known = {"ids": np.ones((3, 4), np.int32)}
    assert scale_warnings(known, {"ids": known["ids"] * 1000}, [IDS]) == []
    assert range_causes({"ids": np.array([[1, 1000, 0, 1], [2, 4, 5, 6]], np.int32)}, [IDS]) == []


def test_an_input_without_samples_is_passed_over() -> None:
    assert scale_warnings({}, {"image": PIXELS}, [IMAGE]) == []
    assert range_causes({"measurements": np.zeros((0, 4), np.float32)}, [ROWS]) == []


@pytest.mark.parametrize("scale", [1.0, 1000.0, -1000.0])
def test_columns_of_very_different_spans_are_told(scale: float) -> None:
    columns = np.stack(
        [
            RNG.uniform(11, 15, 60),
            RNG.uniform(0.13, 0.66, 60),
            np.full(60, 3.0),
            RNG.uniform(278, 1680, 60),
        ],
        axis=1,
    )
    (line,) = range_causes({"measurements": (columns * scale).astype(np.float32)}, [ROWS])
    assert line.startswith("input measurements: column 3 spans ")
    assert "next to column 1 spanning " in line
    assert "2 of 4 columns keep fewer than 8" in line
    assert line.endswith("normalise outside the model, or keep this input float")


def test_spans_are_told_in_the_columns_own_numbers() -> None:
    columns = np.array([[278, 0.13, 1, 5], [1680, 0.66, 1, 5]], np.float32)
    (line,) = range_causes({"measurements": columns}, [ROWS])
    assert "column 0 spans 278 to 1680 next to column 1 spanning 0.13 to 0.66" in line
    assert "1 of 4 columns" in line


def test_columns_of_like_spans_are_no_cause() -> None:
    assert range_causes({"measurements": RNG.normal(size=(60, 4)).astype(np.float32)}, [ROWS]) == []


def test_columns_over_time_are_looked_at_and_pictures_are_not() -> None:
    series = np.stack([RNG.random((9, 5)), 4000 * RNG.random((9, 5))], axis=2).astype(np.float32)
    (line,) = range_causes({"series": series}, [TensorSpec("series", "float32", [-1, 5, 2])])
    assert "1 of 2 columns" in line
    assert range_causes({"image": PIXELS * [[[[4000.0]]]]}, [IMAGE]) == []
