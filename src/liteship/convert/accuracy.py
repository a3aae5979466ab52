"""Measures a model as it will be deployed: every sample goes through `runtime.predictor`."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liteship.convert.reference import to_picture
from liteship.errors import AccuracyError, CalibrationError, ConversionError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from liteship.artifact import Manifest
    from liteship.convert.data import Evaluation
    from liteship.runtime.predictor import Prediction, Predictor

LEAST_SIMILARITY = 0.9
"""Cosine similarity, on the calibration set, below which a result is not the source's model at all."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Held-out accuracy before and after, each between 0 and 1.

    Attributes:
        samples: Number of held-out samples.
        source: Of the source model, fed normalised pictures.
        artifact: Of the artifact, fed what callers send, through the deployed predictor.
    """

    samples: int
    source: float
    artifact: float

    @property
    def drop(self) -> float:
        """What the conversion lost; negative if it gained."""
        return self.source - self.artifact


def encode_requests(evaluation: Evaluation, manifest: Manifest) -> list[tuple[bytes, str]]:
    """Each held-out sample as the body and content type a caller would send."""
    if manifest.preprocessing.kind == "image":
        return [(_png(picture), "image/png") for picture in evaluation.inputs[manifest.inputs[0].name]]
    names = [spec.name for spec in manifest.inputs]
    return [
        (
            json.dumps(
                {"inputs": {name: evaluation.inputs[name][index].tolist() for name in names}}
            ).encode(),
            "application/json",
        )
        for index in range(len(evaluation.labels))
    ]


def measure_artifact(
    predictor: Predictor, evaluation: Evaluation, progress: Callable[[str, int, int], None]
) -> float:
    """Share of held-out samples that the deployed predictor answers with their class.

    Raises:
        CalibrationError: `evaluation-invalid` if a sample is not what the model takes.
    """
    right = 0
    requests = encode_requests(evaluation, predictor.manifest)
    for index, (body, content_type) in enumerate(requests):
        try:
            prediction = predictor.predict(body, content_type)
        except InputError as error:
            raise CalibrationError(
                "evaluation-invalid",
                f"evaluation sample {index} cannot be predicted: {error.message}",
                expected=error.expected,
                received=error.received,
                hint="save the samples as callers send them",
            ) from error
        right += _predicted_class(prediction, predictor.manifest) == int(evaluation.labels[index])
        progress("evaluate", index + 1, len(requests))
    return right / len(requests)


def require_classes(evaluation: Evaluation, classes: int) -> None:
    """Refuses labels that the model cannot answer: both models would just count as wrong.

    Raises:
        CalibrationError: `evaluation-invalid`.
    """
    greatest = int(evaluation.labels.max())
    if greatest >= classes:
        raise CalibrationError(
            "evaluation-invalid",
            "the held-out samples are labelled with classes that the model does not have",
            expected=f"labels from 0 to {classes - 1}",
            received=f"label {greatest}",
            hint="count the classes from 0, in the order of the model's outputs",
        )


def require_budget(accuracy: Accuracy, max_drop: float) -> None:
    """Refuses an artifact that lost more than its budget.

    Raises:
        AccuracyError: `accuracy-budget`.
    """
    # 0.99 - 0.98 is a hair more than 0.01; and whatever is compared to NaN must not pass.
    if not accuracy.drop <= max_drop + 1e-9:
        raise AccuracyError(
            "accuracy-budget",
            "the converted model lost more accuracy than its budget; the artifact was not replaced",
            expected=f"at least {accuracy.source - max_drop:.4f} on {accuracy.samples} samples "
            f"({accuracy.source:.4f} minus max_drop {max_drop:g})",
            received=f"{accuracy.artifact:.4f}",
            hint="calibrate with more representative samples, or raise model.max_drop in function.toml",
        )


def require_similarity(similarity: float) -> None:
    """Refuses a result whose outputs have little to do with the source's.

    Raises:
        ConversionError: `outputs-differ`.
    """
    if not similarity >= LEAST_SIMILARITY:
        raise ConversionError(
            "outputs-differ",
            "the converted model's outputs are not the source model's",
            expected=f"cosine similarity of at least {LEAST_SIMILARITY}",
            received=f"{similarity:.4f}",
            hint="check that the calibration data is normalised as in training",
        )


def cosine_similarity(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Of two sets of outputs, flattened; 1.0 is the same direction."""
    a, b = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else float(np.array_equal(a, b))


def _predicted_class(prediction: Prediction, manifest: Manifest) -> int:
    fields: Mapping[str, object] = prediction.fields
    best = fields.get("predictions")
    if isinstance(best, list):
        return manifest.postprocessing.labels.index(best[0]["label"])
    outputs = fields["outputs"]
    data = outputs[0]["data"] if isinstance(outputs, list) else []
    return int(np.argmax(data))


def _png(picture: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    to_picture(picture).save(buffer, "PNG")
    return buffer.getvalue()
