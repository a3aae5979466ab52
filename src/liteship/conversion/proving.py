"""Makes a quantized model an artifact, and measures what the quantization did to it."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liteship.artifact import Artifact, Golden, Manifest
from liteship.artifact.folder import GOLDEN_FILE
from liteship.conversion.accuracy import Accuracy, Agreement, require_classes, run_artifact, scores_of
from liteship.conversion.metrics import metric_named
from liteship.errors import ConversionError
from liteship.quantization import INTEGER_RANGE
from liteship.runtime.interpreter import create_interpreter
from liteship.runtime.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec
    from liteship.conversion.candidates import Candidate
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.source_side import Source


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A candidate as an artifact, and how well it does.

    Attributes:
        candidate: The quantized model.
        artifact: The same with its manifest and golden input; nothing is written yet.
        agreement: Of its first output with the source's, on the calibration set.
        calibration_outputs: Its first output for each calibration sample, in real numbers.
        accuracy: On held-out samples; None without any.
        scores: What it answers to each held-out sample, or None.
        source_scores: The source's answers to the same, or None.
    """

    candidate: Candidate
    artifact: Artifact
    agreement: Agreement
    calibration_outputs: NDArray[np.float32]
    accuracy: Accuracy | None = None
    scores: NDArray[np.float32] | None = None
    source_scores: NDArray[np.float32] | None = None


def prove(
    request: ConversionRequest,
    source: Source,
    candidate: Candidate,
    progress: Callable[[int, int], None],
) -> Proof:
    """Runs a candidate on all samples there are.

    Args:
        request: What was asked for.
        source: The source model and its answers.
        candidate: The quantized model.
        progress: Called with held-out samples done and samples in all.

    Raises:
        ConversionError: `outputs-not-finite` or `manifest-contradiction`.
        CalibrationError: `evaluation-invalid`.
    """
    artifact, outputs = _assemble(request, source, candidate)
    first = artifact.manifest.outputs[0].name
    unmeasured = Proof(
        candidate=candidate,
        artifact=artifact,
        agreement=Agreement.of(outputs, source.calibration_outputs[first]),
        calibration_outputs=outputs,
    )
    if source.samples.evaluation is None or source.evaluation_outputs is None:
        return unmeasured
    evaluation = source.samples.evaluation
    metric = metric_named(request.metric, str(request.folder or ""))
    predictor = Predictor(artifact)
    predictor.warm_up()
    if metric.classes:
        require_classes(evaluation, artifact.manifest.outputs[0].elements)
    scores = run_artifact(predictor, evaluation, progress)
    source_scores = scores_of(predictor, source.evaluation_outputs[first])
    accuracy = Accuracy(
        metric=metric,
        samples=len(evaluation.labels),
        source=metric.compute(source_scores, evaluation.labels),
        artifact=metric.compute(scores, evaluation.labels),
    )
    return dataclasses.replace(
        unmeasured, accuracy=accuracy, scores=scores, source_scores=source_scores
    )


def _assemble(
    request: ConversionRequest, source: Source, candidate: Candidate
) -> tuple[Artifact, NDArray[np.float32]]:
    """The artifact with its golden input, and its first output for each calibration sample."""
    interpreter = create_interpreter(candidate.model)
    inputs = list(interpreter.inputs.values())
    outputs = [interpreter.outputs[name] for name in source.output_names]
    calibration = source.samples.calibration
    encoded = {spec.name: _quantized(calibration[spec.name], spec) for spec in inputs}
    requests = [
        {name: each[index].tobytes() for name, each in encoded.items()}
        for index in range(len(next(iter(calibration.values()))))
    ]
    answers = [interpreter.invoke(each) for each in requests]
    first = outputs[0]
    real = np.stack([_real(answer[first.name], first) for answer in answers])
    if not np.isfinite(real).all():
        raise ConversionError(
            "outputs-not-finite",
            f"the {candidate.scheme} model gives NaN or infinity at output {first.name}",
            received=f"{int((~np.isfinite(real)).any(axis=tuple(range(1, real.ndim))).sum())} of "
            f"{len(real)} calibration samples",
            hint="try --scheme dynamic; float16 overflows above 65,504",
        )
    # A saturated answer (one class at 1, the others at 0) is easily hit by accident: the sample with
    # the most distinct outputs makes the strictest self-test.
    golden = int(np.argmax([len(np.unique(row)) for row in real]))
    manifest = Manifest(
        name=request.name,
        version=request.version,
        sha256=hashlib.sha256(candidate.model).hexdigest(),
        size_bytes=len(candidate.model),
        scheme=candidate.scheme,
        inputs=inputs,
        outputs=outputs,
        preprocessing=request.preprocessing,
        postprocessing=request.postprocessing,
        golden=Golden(GOLDEN_FILE, [answers[golden][spec.name] for spec in outputs]),
        provenance={},
    )
    contradictions = manifest.contradictions()
    if contradictions:
        raise ConversionError(
            "manifest-contradiction",
            f"function.toml does not fit the model {request.source}",
            problems=contradictions,
            hint="correct [input] and [output] in function.toml",
        )
    golden_inputs = [requests[golden][spec.name] for spec in inputs]
    return Artifact(manifest, candidate.model, golden_inputs), real


def _quantized(values: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    if not spec.is_quantized:
        return values
    least, greatest = INTEGER_RANGE[spec.dtype]
    # As `liteship.quantization.quantize`
    steps: NDArray[np.float32] = np.rint(values.astype(np.float32) * np.float32(1 / spec.scale))
    return (steps + spec.zero_point).clip(least, greatest).astype(spec.dtype)


def _real(data: bytes, spec: TensorSpec) -> NDArray[np.float32]:
    values = np.frombuffer(data, spec.dtype).astype(np.float32)
    real = (values - spec.zero_point) * spec.scale if spec.is_quantized else values
    return real.reshape(spec.item_shape[1:]).astype(np.float32)
