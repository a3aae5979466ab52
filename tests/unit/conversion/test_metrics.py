from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from liteship.conversion.metrics import METRICS, metric_named
from liteship.errors import CalibrationError, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

OUTPUTS = np.array(
    [[0.1, 0.9, 0, 0, 0, 0, 0], [0.4, 0.3, 0.2, 0.06, 0.03, 0.01, 0], [0, 0, 0, 0, 0, 0, 1]], np.float32
)


def test_accuracy_counts_the_greatest_output() -> None:
    assert METRICS["accuracy"].compute(OUTPUTS, np.array([1, 1, 6])) == pytest.approx(2 / 3)


def test_top5_counts_the_five_greatest() -> None:
    assert METRICS["top5"].compute(OUTPUTS, np.array([1, 4, 6])) == 1
    assert METRICS["top5"].compute(OUTPUTS, np.array([1, 5, 6])) == pytest.approx(2 / 3)
    assert METRICS["top5"].compute(OUTPUTS[:, :3], np.array([2, 2, 2])) == 1


def test_errors_are_means() -> None:
    outputs, wanted = np.array([[1.0], [3.0]], np.float32), np.array([2.0, 1.0])
    assert METRICS["mae"].compute(outputs, wanted) == pytest.approx(1.5)
    assert METRICS["mse"].compute(outputs, wanted) == pytest.approx(2.5)
    assert METRICS["mae"].loss(1.0, 1.5) == 0.5
    assert METRICS["accuracy"].loss(1.0, 0.75) == 0.25


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(CalibrationError) as raised:
        METRICS["mae"].compute(np.zeros((3, 2), np.float32), np.zeros(3))
    assert raised.value.expected == "shape (3, 2)"


def test_a_metric_of_ones_own_is_called(tmp_path: Path) -> None:
    (tmp_path / "mymetric.py").write_text(
        "def minus_worst(outputs, labels):\n"
        "    return -abs(outputs[:, 0] - labels).max()\n"
        "def broken(outputs, labels):\n    return 1 / 0\n"
        "def empty(outputs, labels):\n    return float('nan')\n"
        "number = 3\n"
    )
    folder = str(tmp_path)
    own = metric_named("mymetric:minus_worst", folder)
    assert own.higher_is_better
    assert own.compute(np.array([[1.0], [5.0]], np.float32), np.array([1.0, 2.0])) == -3
    for name, words in [("broken", "division"), ("empty", "nan")]:
        with pytest.raises(CalibrationError) as raised:
            metric_named(f"mymetric:{name}", folder).compute(OUTPUTS, np.zeros(3))
        assert raised.value.reference == "metric-fails"
        assert words in raised.value.message
    for name in ("f1", "mymetric:number", "mymetric:absent", "no_module_has_this_name:x"):
        with pytest.raises(ConfigurationError) as unknown:
            metric_named(name, folder)
        assert unknown.value.reference == "metric-unknown"
