"""From a conversion's results to what its report shows."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from liteship import __version__
from liteship.conversion.compression import sizes
from liteship.conversion.frameworks import tool_versions
from liteship.conversion.provenance import source_bytes
from liteship.conversion.report.evidence import Evidence
from liteship.conversion.report.measures import compare_outputs, confusion, coverage, summarize_latency
from liteship.conversion.report.parts import (
    ChangedSamples,
    Confusion,
    FloatRemainder,
    Latency,
    OutputComparison,
    Refusal,
    Repair,
    Score,
)
from liteship.conversion.report.samples import changed_samples, moved_samples
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.conversion.compression import CompressedSizes
    from liteship.conversion.outcome import Outcome
    from liteship.conversion.proving import Proof
    from liteship.conversion.report.parts import LayerError
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.source_side import Source
    from liteship.conversion.sources import SourceFormat

_LATENCY_RUNS = 50
_LATENCY_S = 2.0


def gather(
    request: ConversionRequest,
    source_format: SourceFormat,
    source: Source,
    outcome: Outcome,
    layers: Sequence[LayerError],
    shipped: CompressedSizes,
) -> Evidence:
    """Everything the report shows.

    Args:
        request: What was asked for.
        source_format: What the source is.
        source: The source model, the data and its answers.
        outcome: The artifact that was chosen, or the best of those that were refused.
        layers: What the quantization did to each layer.
        shipped: Of that artifact's `.tflite`.
    """
    proof = outcome.proof
    model, manifest = proof.candidate.model, proof.artifact.manifest
    before, after = _confusions(source, proof)
    return Evidence(
        name=request.name,
        version=request.version,
        scheme=manifest.scheme,
        source_format=source_format,
        source_bytes=source_bytes(request.source),
        float_sizes=sizes(source.float_file.read_bytes(), zstd=False),
        artifact_sizes=shipped,
        limits=request.limits,
        score=_score(request, proof),
        source_confusion=before,
        artifact_confusion=after,
        outputs=(_compared(source, proof),),
        changed=_changed(source, proof),
        layers=tuple(layers),
        repair=_repair(outcome),
        latency=_latency(model, proof),
        coverage=coverage(
            source.samples.calibration, source.samples.evaluation_inputs, manifest.inputs
        ),
        calibration_samples=len(next(iter(source.samples.calibration.values()))),
        refusal=Refusal.from_error(outcome.refusal) if outcome.refusal else None,
        warnings=tuple(outcome.warnings),
        versions={"liteship": __version__, **tool_versions()},
        digests={"artifact": manifest.sha256},
    )


def _score(request: ConversionRequest, proof: Proof) -> Score | None:
    if proof.accuracy is None:
        return None
    return Score(
        metric=proof.accuracy.metric.name,
        higher_is_better=proof.accuracy.metric.higher_is_better,
        samples=proof.accuracy.samples,
        source=proof.accuracy.source,
        artifact=proof.accuracy.artifact,
        max_drop=request.max_drop,
    )


def _classes(proof: Proof) -> list[str]:
    manifest = proof.artifact.manifest
    return list(manifest.postprocessing.labels) or [
        str(index) for index in range(manifest.outputs[0].elements)
    ]


def _confusions(source: Source, proof: Proof) -> tuple[Confusion | None, Confusion | None]:
    evaluation = source.samples.evaluation
    if evaluation is None or proof.accuracy is None or not proof.accuracy.metric.classes:
        return None, None
    before, after = (
        confusion(evaluation.labels, scores.reshape(len(scores), -1).argmax(axis=-1), _classes(proof))
        for scores in (proof.source_scores, proof.scores)
        if scores is not None
    )
    return before, after


def _compared(source: Source, proof: Proof) -> OutputComparison:
    name = proof.artifact.manifest.outputs[0].name
    classifies = proof.accuracy is None or proof.accuracy.metric.classes
    if proof.scores is not None and proof.source_scores is not None:
        return compare_outputs(
            name, proof.source_scores, proof.scores, data="evaluation", classifies=classifies
        )
    return compare_outputs(
        name,
        source.calibration_outputs[name],
        proof.calibration_outputs,
        data="calibration",
        classifies=classifies,
    )


def _changed(source: Source, proof: Proof) -> ChangedSamples | None:
    evaluation = source.samples.evaluation
    if evaluation is None or proof.scores is None or proof.source_scores is None:
        return None
    before = proof.source_scores.reshape(len(proof.scores), -1)
    after = proof.scores.reshape(len(proof.scores), -1)
    if proof.accuracy is not None and proof.accuracy.metric.classes:
        return changed_samples(
            before, after, classes=_classes(proof), labels=evaluation.labels, inputs=evaluation.inputs
        )
    return moved_samples(before, after, labels=evaluation.labels, inputs=evaluation.inputs)


def _repair(outcome: Outcome) -> Repair | None:
    left, accuracy = outcome.repair, outcome.proof.accuracy
    if left is None or accuracy is None:
        return None
    sign = -1 if accuracy.metric.higher_is_better else 1
    parts = [operator.partition(" ") for operator in left.operators]
    return Repair(
        left_in_float=tuple(FloatRemainder(operator=kind, tensor=name) for kind, _, name in parts),
        cost_bytes=left.added_bytes,
        score_before=accuracy.source + sign * left.loss_before,
        cause=next(iter(outcome.causes), None),
    )


def _latency(model: bytes, proof: Proof) -> Latency:
    """Of the golden input, on one thread of this machine."""
    interpreter = create_interpreter(model)
    inputs = proof.artifact.golden_tensors
    interpreter.invoke(inputs)
    times_ms: list[float] = []
    end = time.perf_counter() + _LATENCY_S
    while len(times_ms) < _LATENCY_RUNS and (not times_ms or time.perf_counter() < end):
        start = time.perf_counter()
        interpreter.invoke(inputs)
        times_ms.append((time.perf_counter() - start) * 1e3)
    return summarize_latency(times_ms, f"{platform.machine()}, {os.cpu_count()} processors, 1 thread")
