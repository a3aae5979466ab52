from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship import Artifact, Predictor
from liteship.artifact import Manifest, Postprocessing
from liteship.convert.accuracy import (
    LEAST_SIMILARITY,
    Accuracy,
    cosine_similarity,
    encode_requests,
    measure_artifact,
    require_budget,
    require_classes,
    require_similarity,
)
from liteship.convert.data import Evaluation
from liteship.errors import AccuracyError, CalibrationError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def accuracy(source: float, artifact: float) -> Accuracy:
    return Accuracy(samples=100, source=source, artifact=artifact)


@pytest.mark.parametrize(
    ("source", "artifact"), [(0.9, 0.9), (0.9, 0.95), (0.9, 0.89), (0.99, 0.98), (1.0, 0.99)]
)
def test_a_loss_within_the_budget_passes(source: float, artifact: float) -> None:
    require_budget(accuracy(source, artifact), 0.01)


def test_a_loss_over_the_budget_is_refused_with_both_numbers() -> None:
    with pytest.raises(AccuracyError) as raised:
        require_budget(accuracy(0.95, 0.9), 0.01)
    assert raised.value.reference == "accuracy-budget"
    assert raised.value.expected == "at least 0.9400 on 100 samples (0.9500 minus max_drop 0.01)"
    assert raised.value.received == "0.9000"


def test_a_budget_that_is_no_number_lets_nothing_pass() -> None:
    with pytest.raises(AccuracyError):
        require_budget(accuracy(0.9, 0.9), float("nan"))


def test_a_budget_of_everything_passes_everything() -> None:
    require_budget(accuracy(1.0, 0.0), 1.0)


@pytest.mark.parametrize("similarity", [LEAST_SIMILARITY, 1.0])
def test_outputs_that_are_alike_pass(similarity: float) -> None:
    require_similarity(similarity)


@pytest.mark.parametrize("similarity", [0.0, -1.0, LEAST_SIMILARITY - 0.001, float("nan")])
def test_outputs_that_are_not_are_refused(similarity: float) -> None:
    with pytest.raises(ConversionError) as raised:
        require_similarity(similarity)
    assert raised.value.reference == "outputs-differ"


def test_similarity_is_the_cosine() -> None:
    rng = np.random.default_rng(51)
    for _ in range(20):
        a, b = rng.normal(size=(2, 5, 3))
        products = sum(x * y for x, y in zip(a.ravel(), b.ravel(), strict=True))
        lengths = sum(x * x for x in a.ravel()) ** 0.5 * sum(y * y for y in b.ravel()) ** 0.5
        assert cosine_similarity(a, b) == pytest.approx(products / lengths)
        assert cosine_similarity(a, 3 * a) == pytest.approx(1)
        assert cosine_similarity(a, -a) == pytest.approx(-1)
    zero = np.zeros(3)
    assert (cosine_similarity(zero, zero), cosine_similarity(zero, np.ones(3))) == (1, 0)


def test_labels_that_the_model_does_not_have_are_refused() -> None:
    evaluation = Evaluation(inputs={}, labels=np.array([0, 9]))
    require_classes(evaluation, 10)
    with pytest.raises(CalibrationError) as raised:
        require_classes(evaluation, 9)
    assert (raised.value.expected, raised.value.received) == ("labels from 0 to 8", "label 9")


@pytest.fixture(scope="module")
def artifact(artifact_folder: Path) -> Artifact:
    return Artifact.load(artifact_folder)


def nothing(_stage: str, _done: int, _of: int) -> None:
    """Whoever measures a few samples needs no progress."""


def held_out(digit_images: Any, samples: int = 50) -> Evaluation:
    images, labels = digit_images
    return Evaluation(inputs={"image": images[:samples]}, labels=labels[:samples])


@pytest.mark.parametrize("labels", [list("abcdefghij"), []])
def test_the_share_of_right_answers_is_counted_through_the_predictor(
    labels: list[str], artifact: Artifact, digit_images: Any
) -> None:
    """With labels the class is the label's place, without it is the greatest output."""
    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    manifest = Manifest(**fields | {"postprocessing": Postprocessing(labels=labels)})
    predictor = Predictor(Artifact(manifest, artifact.model, artifact.golden_inputs))
    evaluation = held_out(digit_images)
    outputs = [
        predictor.predict(body, kind).fields for body, kind in encode_requests(evaluation, manifest)
    ]
    assert len(outputs) == 50
    right = measure_artifact(predictor, evaluation, nothing)
    shifted = Evaluation(inputs=evaluation.inputs, labels=(evaluation.labels + 1) % 10)
    assert right > 0.9
    assert measure_artifact(predictor, shifted, nothing) < 0.1


def test_progress_is_told_for_every_sample(artifact: Artifact, digit_images: Any) -> None:
    told: list[tuple[str, int, int]] = []
    measure_artifact(
        Predictor(artifact),
        held_out(digit_images, 3),
        lambda stage, done, of: told.append((stage, done, of)),
    )
    assert told == [("evaluate", 1, 3), ("evaluate", 2, 3), ("evaluate", 3, 3)]


def test_a_sample_that_cannot_be_sent_is_named(artifact: Artifact, digit_images: Any) -> None:
    predictor = Predictor(artifact, max_pixels=10)
    with pytest.raises(CalibrationError) as raised:
        measure_artifact(predictor, held_out(digit_images, 1), nothing)
    assert raised.value.reference == "evaluation-invalid"
    assert "sample 0" in raised.value.message


def test_tensors_are_sent_as_json(manifest_of_tensors: Callable[[], Manifest]) -> None:
    inputs = {"a": np.eye(2, dtype=np.float32), "b": np.array([3, 4], np.int32)}
    evaluation = Evaluation(inputs=inputs, labels=np.array([0, 1]))
    requests = encode_requests(evaluation, manifest_of_tensors())
    assert [(json.loads(body), kind) for body, kind in requests] == [
        ({"inputs": {"a": [1.0, 0.0], "b": 3}}, "application/json"),
        ({"inputs": {"a": [0.0, 1.0], "b": 4}}, "application/json"),
    ]


@pytest.fixture
def manifest_of_tensors(artifact: Artifact) -> Callable[[], Manifest]:
    from liteship.artifact import Preprocessing, TensorSpec

    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    inputs = [TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1])]
    changes = {"inputs": inputs, "preprocessing": Preprocessing("tensor")}
    return lambda: Manifest(**fields | changes)
