"""Computes the parts of the evidence from arrays.

Outputs are float32 arrays of shape (samples, …): real numbers, the artifact's dequantized.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.accuracy import cosine_similarity
from liteship.conversion.report.parts import ChannelCoverage, Confusion, Latency, OutputComparison
from liteship.quantization import INTEGER_RANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec

    Arrays = Mapping[str, NDArray[np.generic]]

BINS = 41
"""Of a histogram; odd, so that a difference of 0 stands in the middle of one."""


def confusion(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], classes: Sequence[str]
) -> Confusion:
    """Counts what was taken for what.

    Args:
        labels: Array of shape (samples,), classes from 0.
        predicted: Array of shape (samples,), classes from 0.
        classes: Their names; a class beyond them is named by its number.
    """
    pairs = [(int(label), int(guess)) for label, guess in zip(labels, predicted, strict=True)]
    counts = sorted(Counter(pairs).items())
    greatest = max((max(pair) for pair in pairs), default=-1)
    names = [*classes, *(str(number) for number in range(len(classes), greatest + 1))]
    return Confusion(
        classes=tuple(names),
        cells=tuple((label, guess, count) for (label, guess), count in counts),
    )


def compare_outputs(
    name: str,
    source: NDArray[np.floating],
    artifact: NDArray[np.floating],
    *,
    data: str,
    classifies: bool,
) -> OutputComparison:
    """Compares one output of the artifact with the source's.

    Args:
        name: Of the output.
        source: The source's values, shape (samples, …), at least one sample.
        artifact: The artifact's, of the same shape.
        data: Whose samples: `calibration` or `evaluation`.
        classifies: Whether the greatest value along the last axis names a class.
    """
    samples = len(source)
    before = source.reshape(samples, -1).astype(np.float64)
    after = artifact.reshape(samples, -1).astype(np.float64)
    finite = np.isfinite(before) & np.isfinite(after)
    difference = (after - before)[finite]
    most = float(np.abs(difference).max(initial=0.0))
    edge = most or 1.0
    histogram, _ = np.histogram(difference, bins=BINS, range=(-edge, edge))
    return OutputComparison(
        name=name,
        data=data,
        samples=samples,
        similarity=min(cosine_similarity(before, after), 1.0) if finite.all() else None,
        top1_agreement=top1_agreement(source, artifact) if classifies else None,
        max_error=most,
        rms_error=float(np.sqrt(np.square(difference).mean())) if difference.size else 0.0,
        not_finite=int((~finite).sum()),
        histogram_least=-edge,
        histogram_greatest=edge,
        histogram=tuple(int(count) for count in histogram),
    )


def top1_agreement(source: NDArray[np.floating], artifact: NDArray[np.floating]) -> float | None:
    """Share of positions whose greatest value along the last axis is at the same place.

    None for outputs that have fewer than two values there.
    """
    if source.ndim < 2 or source.shape[-1] < 2:
        return None
    return float((source.argmax(axis=-1) == artifact.argmax(axis=-1)).mean())


def summarize_latency(times_ms: Sequence[float], machine: str) -> Latency:
    """Summary of at least one inference's milliseconds.

    Args:
        times_ms: One a run, warm-up left out.
        machine: Processor and number of threads.
    """
    times = np.array(times_ms, np.float64)
    return Latency(
        machine=machine,
        runs=len(times),
        median_ms=float(np.median(times)),
        p99_ms=float(np.percentile(times, 99, method="higher")),
        least_ms=float(times.min()),
        greatest_ms=float(times.max()),
    )


def coverage(
    calibration: Arrays, evaluation: Arrays | None, specs: Sequence[TensorSpec]
) -> tuple[ChannelCoverage, ...]:
    """How each channel of each input uses the integers it is given.

    Args:
        calibration: The samples that calibrated, by input name: shape (samples, …), real numbers as
            the source model takes them.
        evaluation: Held-out samples, the same way; None if there are none.
        specs: The artifact's inputs, with scale and zero point.

    Returns:
        One item a channel: a place on the last axis, or the input itself where it has only the batch.
    """
    found = []
    for spec in specs:
        seen = _by_channel(calibration[spec.name])
        held_out = None if evaluation is None else _by_channel(evaluation[spec.name])
        for channel, values in enumerate(seen):
            later = None if held_out is None else held_out[channel]
            found.append(_cover(spec, channel, values, later))
    return tuple(found)


def _cover(
    spec: TensorSpec,
    channel: int,
    seen: NDArray[np.generic],
    later: NDArray[np.generic] | None,
) -> ChannelCoverage:
    least, greatest = float(seen.min()), float(seen.max())
    ends = _representable(spec)
    return ChannelCoverage(
        input=spec.name,
        channel=channel,
        calibrated_least=least,
        calibrated_greatest=greatest,
        representable_least=ends[0] if ends else None,
        representable_greatest=ends[1] if ends else None,
        steps=(greatest - least) / spec.scale if ends else None,
        # A value up to half a step beyond the end is rounded to it, as any other is to its step.
        saturated=(
            _outside(later, ends[0] - spec.scale / 2, ends[1] + spec.scale / 2)
            if ends and later is not None
            else None
        ),
        unseen=None if later is None else _outside(later, least, greatest),
    )


def _by_channel(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Shape (channels, values)."""
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1).T


def _representable(spec: TensorSpec) -> tuple[float, float] | None:
    if not spec.is_quantized:
        return None
    least, greatest = INTEGER_RANGE[spec.dtype]
    return (least - spec.zero_point) * spec.scale, (greatest - spec.zero_point) * spec.scale


def _outside(values: NDArray[np.generic], least: float, greatest: float) -> float:
    real = values.astype(np.float64)
    return float(((real < least) | (real > greatest)).mean())
