from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship import Artifact, Predictor
from liteship.artifact import Manifest, Postprocessing
from liteship.conversion.accuracy import (
    LEAST_SIMILARITY,
    Accuracy,
    Agreement,
    cosine_similarity,
    disagreement,
    encode_requests,
    over_budget,
    require_classes,
    run_artifact,
    scores_of,
)
from liteship.conversion.data import Evaluation
from liteship.conversion.metrics import METRICS
from liteship.errors import CalibrationError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def accuracy(source: float, artifact: float, metric: str = "accuracy") -> Accuracy:
    return Accuracy(metric=METRICS[metric], samples=100, source=source, artifact=artifact)


@pytest.mark.parametrize(
    ("source", "artifact"), [(0.9, 0.9), (0.9, 0.95), (0.9, 0.89), (0.99, 0.98), (1.0, 0.99)]
)
def test_a_loss_within_the_budget_passes(source: float, artifact: float) -> None:
    assert accuracy(source, artifact).keeps(0.01)


@pytest.mark.parametrize(("source", "artifact"), [(0.95, 0.93), (0.9, 0.0), (0.9, float("nan"))])
def test_a_loss_over_the_budget_does_not(source: float, artifact: float) -> None:
    assert not accuracy(source, artifact).keeps(0.01)


def test_an_error_that_grows_is_a_loss() -> None:
    assert accuracy(2.0, 2.5, "mae").drop == 0.5
    assert accuracy(2.0, 1.5, "mse").keeps(0)
    assert not accuracy(2.0, 2.5, "mse").keeps(0.4)


def test_the_refusal_tells_both_numbers_and_the_cause() -> None:
    error = over_budget(accuracy(0.95, 0.9), 0.01, ["column 3 spans 0 to 4000"])
    assert error.reference == "accuracy-budget"
    assert error.expected == "accuracy of at least 0.9400 on 100 samples (0.9500 minus max_drop 0.01)"
    assert error.received == "0.9000"
    assert error.problems == ("column 3 spans 0 to 4000",)
    assert "at most 2.1000" in str(over_budget(accuracy(2.0, 2.5, "mae"), 0.1).expected)


def test_a_budget_that_is_no_number_lets_nothing_pass() -> None:
    assert not accuracy(0.9, 0.9).keeps(float("nan"))


def agreement(similarity: float) -> Agreement:
    return Agreement(cosine_similarity=similarity, top1=1.0, max_error=0.0)


@pytest.mark.parametrize("similarity", [LEAST_SIMILARITY, 1.0])
def test_outputs_that_are_alike_pass(similarity: float) -> None:
    assert disagreement(agreement(similarity)) is None


@pytest.mark.parametrize("similarity", [0.0, -1.0, LEAST_SIMILARITY - 0.001, float("nan")])
def test_outputs_that_are_not_are_refused(similarity: float) -> None:
    error = disagreement(agreement(similarity), ["column 1 spans 0 to 4000"])
    assert isinstance(error, ConversionError)
    assert error.reference == "outputs-differ"
    assert error.problems == ("column 1 spans 0 to 4000",)


def test_agreement_counts_the_same_best_classes() -> None:
    source = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.4, 0]], np.float32)
    artifact = np.array([[0.9, 0, 0], [0, 0.8, 0], [0, 0, 1], [0.4, 0.6, 0]], np.float32)
    found = Agreement.of(artifact, source)
    assert found.top1 == 0.75
    assert found.max_error == pytest.approx(0.2)
    single = Agreement.of(source[:, :1], source[:, :1])
    assert (single.top1, single.max_error) == (None, 0)


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


def nothing(_done: int, _of: int) -> None:
    """Whoever measures a few samples needs no progress."""


def held_out(digit_images: Any, samples: int = 50) -> Evaluation:
    images, labels = digit_images
    return Evaluation(inputs={"image": images[:samples]}, labels=labels[:samples])


@pytest.mark.parametrize("labels", [list("abcdefghij"), []])
def test_what_is_measured_is_what_the_predictor_answers(
    labels: list[str], artifact: Artifact, digit_images: Any
) -> None:
    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    manifest = Manifest(**fields | {"postprocessing": Postprocessing(labels=labels, top_k=10)})
    predictor = Predictor(Artifact(manifest, artifact.model, artifact.golden_inputs))
    evaluation = held_out(digit_images)
    outputs = run_artifact(predictor, evaluation, nothing)
    assert outputs.shape == (50, 10)
    assert METRICS["accuracy"].compute(outputs, evaluation.labels) > 0.9
    for row, (body, kind) in zip(outputs, encode_requests(evaluation, manifest), strict=True):
        answer: Any = predictor.predict(body, kind).fields
        if labels:
            best = answer["predictions"][0]
            assert best["label"] == labels[row.argmax()]
            assert best["score"] == pytest.approx(float(row.max()))
        else:
            assert answer["outputs"][0]["data"] == pytest.approx(row.tolist())


def test_the_sources_outputs_get_the_activation_of_the_answer(artifact: Artifact) -> None:
    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    softmax = Manifest(**fields | {"postprocessing": Postprocessing("softmax", list("abcdefghij"))})
    predictor = Predictor(Artifact(softmax, artifact.model, artifact.golden_inputs))
    logits = np.random.default_rng(5).normal(size=(3, 10)).astype(np.float32)
    exponents = np.exp(logits)
    expected = exponents / exponents.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(scores_of(predictor, logits), expected, rtol=1e-5)


def test_progress_is_told_for_every_sample(artifact: Artifact, digit_images: Any) -> None:
    told: list[tuple[int, int]] = []
    run_artifact(
        Predictor(artifact), held_out(digit_images, 3), lambda done, of: told.append((done, of))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_sample_that_cannot_be_sent_is_named(artifact: Artifact, digit_images: Any) -> None:
    predictor = Predictor(artifact, max_pixels=10)
    with pytest.raises(CalibrationError) as raised:
        run_artifact(predictor, held_out(digit_images, 1), nothing)
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
