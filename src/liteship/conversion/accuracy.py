"""Measures a model as it will be deployed: every sample goes through `runtime.predictor`."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.data.pictures import PictureFiles
from liteship.conversion.reference import to_picture
from liteship.errors import AccuracyError, CalibrationError, ConversionError, InputError
from liteship.runtime.codecs import sniff_media_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import Manifest
    from liteship.conversion.data import Evaluation
    from liteship.conversion.metrics import Metric
    from liteship.runtime.predictor import Predictor

LEAST_SIMILARITY = 0.9
"""Cosine similarity, on the calibration set, below which a result is not the source's model at all."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A metric on held-out samples before and after.

    Attributes:
        metric: What was measured.
        samples: Number of held-out samples.
        source: Of the source model, fed normalised inputs.
        artifact: Of the artifact, fed what callers send, through the deployed predictor.
    """

    metric: Metric
    samples: int
    source: float
    artifact: float

    @property
    def drop(self) -> float:
        """What the conversion lost, in the metric's unit; negative if it gained."""
        return self.metric.loss(self.source, self.artifact)

    def keeps(self, max_drop: float) -> bool:
        """Whether no more than that was lost."""
        # 0.99 - 0.98 is a hair more than 0.01; and whatever is compared to NaN must not pass.
        return self.drop <= max_drop + 1e-9


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far the artifact's first output is the source's, on the calibration set.

    Attributes:
        cosine_similarity: Of all outputs as one vector; 1.0 is the same direction.
        top1: Share of samples with the same greatest output; None for a single output.
        max_error: Greatest difference of one output.
    """

    cosine_similarity: float
    top1: float | None
    max_error: float

    @classmethod
    def of(cls, artifact: NDArray[np.float32], source: NDArray[np.float32]) -> Agreement:
        """Of two arrays of shape (samples, …)."""
        flat_artifact = artifact.reshape(len(artifact), -1)
        flat_source = source.reshape(len(source), -1)
        same = flat_artifact.argmax(axis=-1) == flat_source.argmax(axis=-1)
        return cls(
            cosine_similarity=cosine_similarity(artifact, source),
            top1=float(same.mean()) if flat_source.shape[1] > 1 else None,
            max_error=float(np.abs(flat_artifact - flat_source).max()),
        )


def encode_requests(evaluation: Evaluation, manifest: Manifest) -> Iterator[tuple[bytes, str]]:
    """Each held-out sample as the body and content type a caller would send."""
    if manifest.preprocessing.kind == "image":
        pictures = evaluation.inputs[manifest.inputs[0].name]
        bodies = (
            (path.read_bytes() for path in pictures.paths)
            if isinstance(pictures, PictureFiles)
            else map(_png, pictures)
        )
        for body in bodies:
            yield body, sniff_media_type(body)
        return
    names = [spec.name for spec in manifest.inputs]
    for index in range(len(evaluation.labels)):
        sample = {name: evaluation.inputs[name][index].tolist() for name in names}
        yield json.dumps({"inputs": sample}).encode(), "application/json"


def run_artifact(
    predictor: Predictor, evaluation: Evaluation, progress: Callable[[int, int], None]
) -> NDArray[np.float32]:
    """What the deployed predictor answers to each held-out sample.

    Args:
        predictor: Of the artifact.
        evaluation: Samples as callers send them.
        progress: Called with samples done and samples in all.

    Returns:
        The scores of a model with labels, else the first output: float32 of shape (samples, …).

    Raises:
        CalibrationError: `evaluation-invalid` if a sample is not what the model takes.
    """
    rows = []
    requests = encode_requests(evaluation, predictor.manifest)
    for index, (body, content_type) in enumerate(requests):
        try:
            (tensors,) = predictor.prepare(body, content_type)
        except InputError as error:
            raise CalibrationError(
                "evaluation-invalid",
                f"evaluation sample {index} cannot be predicted: {error.message}",
                expected=error.expected,
                received=error.received,
                hint="save the samples as callers send them",
            ) from error
        rows.append(predictor.scores(predictor.invoke(tensors)))
        progress(index + 1, len(evaluation.labels))
    return _shaped(rows, predictor)


def scores_of(predictor: Predictor, first_output: NDArray[np.float32]) -> NDArray[np.float32]:
    """The source's outputs, of shape (samples, …), with the activation that the predictor applies."""
    name = predictor.manifest.outputs[0].name
    rows = [predictor.scores({name: row.ravel().tolist()}) for row in first_output]
    return _shaped(rows, predictor)


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


def over_budget(accuracy: Accuracy, max_drop: float, causes: Sequence[str] = ()) -> AccuracyError:
    """The refusal of an artifact that lost more than its budget."""
    metric = accuracy.metric
    sign, bound = ("minus", "at least") if metric.higher_is_better else ("plus", "at most")
    wanted = accuracy.source - max_drop if metric.higher_is_better else accuracy.source + max_drop
    return AccuracyError(
        "accuracy-budget",
        "the converted model lost more than its budget; the artifact was not replaced",
        problems=causes,
        expected=f"{metric.name} of {bound} {wanted:.4f} on {accuracy.samples} samples "
        f"({accuracy.source:.4f} {sign} max_drop {max_drop:g})",
        received=f"{accuracy.artifact:.4f}",
        hint="calibrate with more representative samples, fine-tune with --fine-tune DATA, try "
        "--scheme auto, or raise model.max_drop in function.toml",
    )


def disagreement(agreement: Agreement, causes: Sequence[str] = ()) -> ConversionError | None:
    """The refusal of a result whose outputs have little to do with the source's; None if they have."""
    if agreement.cosine_similarity >= LEAST_SIMILARITY:
        return None
    return ConversionError(
        "outputs-differ",
        "the converted model's outputs are not the source model's",
        problems=causes,
        expected=f"cosine similarity of at least {LEAST_SIMILARITY}",
        received=f"{agreement.cosine_similarity:.4f}",
        hint="check that the calibration data is normalised as in training; with --evaluation, a "
        "repair is searched for",
    )


def cosine_similarity(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Of two sets of outputs, flattened; 1.0 is the same direction."""
    a, b = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else float(np.array_equal(a, b))


def _shaped(rows: Sequence[Sequence[float]], predictor: Predictor) -> NDArray[np.float32]:
    shape = predictor.manifest.outputs[0].item_shape[1:]
    return np.array(rows, np.float32).reshape(len(rows), *shape)


def _png(picture: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    to_picture(picture).save(buffer, "PNG")
    return buffer.getvalue()
