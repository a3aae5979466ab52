from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liteship.conversion.shrinking.objective import find_objective, require_training_data
from liteship.errors import CalibrationError


def softmax(logits: Any) -> Any:
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def test_integer_labels_are_classes_and_the_answers_tell_logits_from_probabilities() -> None:
    logits = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 1, 0], np.uint8)  # more than were answered
    for answers, from_logits in ((logits, True), (softmax(logits), False), (np.abs(logits), True)):
        objective = find_objective(answers, labels)
        assert (objective.kind, objective.from_logits) == ("classes", from_logits)
        assert objective.targets.dtype == np.int64
        assert objective.targets.tolist() == labels.tolist()


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_integer_labels_of_one_output_are_binary(shape: tuple[int, ...]) -> None:
    for values, from_logits in (([0.1, 0.9, 0.5, 1.0], False), ([-3.0, 0.5, 0.2, 0.1], True)):
        answers = np.array(values, np.float32).reshape(shape)
        objective = find_objective(answers, np.array([0, 1, 1, 0]))
        assert (objective.kind, objective.from_logits) == ("binary", from_logits)
        assert objective.targets.shape == shape


def test_floats_are_values_to_hit() -> None:
    objective = find_objective(np.zeros((3, 1), np.float32), np.array([0.5, 1.5, 2.0]))
    assert (objective.kind, objective.targets.shape) == ("values", (3, 1))
    assert objective.targets.dtype == np.float32


def test_a_class_for_each_place_of_a_picture() -> None:
    labels = np.zeros((2, 4, 4), int)
    require_training_data({"x": np.zeros((2, 8))}, labels, {"x": (None, 8)}, [(None, None, None, 3)])
    objective = find_objective(softmax(np.zeros((2, 4, 4, 3), np.float32)), labels)
    assert objective.targets.shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("labels", "output"),
    [
        (np.array([0, 1]), (None, 2)),
        (np.array([0, 1]), (None, None)),
        (np.array([0, 1]), (None, 1)),
        (np.array([[0], [1]]), (None, 1)),
        (np.array([0, 1]), (None,)),
        (np.array([0.5, 1]), (None, 1)),
        (np.array([[0.5, 1], [2, 3]]), (None, 2)),
    ],
)
def test_data_that_goes_with_the_model_passes(labels: Any, output: tuple[int | None, ...]) -> None:
    require_training_data({"x": np.ones((2, 3))}, labels, {"x": (None, 3)}, [output])


@pytest.mark.parametrize(
    ("labels", "output", "problem"),
    [
        (np.array([0, 3]), (None, 3), "label: expected classes 0 to 2, received 0 to 3"),
        (np.array([-1, 2]), (None, 3), "label: expected classes 0 to 2, received -1 to 2"),
        (np.array([0, 2]), (None, 1), "label: expected classes 0 to 1, received 0 to 2"),
        (np.array([[0, 1], [1, 0]]), (None, 2), "label: expected one class for each answer"),
        (np.array([0.5, 1]), (None, 2), "label: expected floats of shape (samples, 2)"),
        (np.array(["a", "b"]), (None, 2), "label: expected integers or floats, received <U1"),
        (np.array([np.nan, 1]), (None, 1), "label: 1 values are NaN or infinite"),
        (np.array([0, 1, 1]), (None, 2), "the arrays must have one length above 0"),
        (np.zeros(0, int), (None, 2), "the arrays must have one length above 0"),
    ],
)
def test_labels_that_do_not_fit_are_told(
    labels: Any, output: tuple[int | None, ...], problem: str
) -> None:
    with pytest.raises(CalibrationError) as raised:
        require_training_data({"x": np.ones((2, 3))}, labels, {"x": (None, 3)}, [output])
    assert raised.value.reference == "training-invalid"
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(problem)


def test_all_that_is_wrong_with_the_data_is_told_at_once() -> None:
    inputs = {"x": np.ones((2, 4)), "z": np.array([[np.inf], [0.0]])}
    with pytest.raises(CalibrationError) as raised:
        require_training_data(
            inputs, np.array([0, 1]), {"x": (None, 3), "y": (None, 1)}, [(None, 2), (None, 2)]
        )
    assert raised.value.problems == (
        "expected the arrays ['x', 'y'], received ['x', 'z']",
        "the model has 2 outputs; fine-tuning knows one",
        "x: expected shape (samples, 3), received (2, 4)",
        "z: 1 values are NaN or infinite",
    )
