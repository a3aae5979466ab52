"""Arranges the evidence for the page: what stands in a tile, a chart or a table, and what is left out.

Tables end somewhere: a model of 1,000 classes or 500 layers gives a page that opens at once.
`report.json` has all of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.conversion.report import formats
from liteship.conversion.report.verdict import is_share, metric_name

if TYPE_CHECKING:
    from liteship.conversion.report.evidence import Evidence
    from liteship.conversion.report.parts import (
        ChannelCoverage,
        Confusion,
        LayerError,
        OutputComparison,
        Score,
        SizeLimit,
    )

MATRIX_CLASSES = 30
"""Classes up to which a whole confusion matrix can be read."""

PAIRS, LAYERS, CHANNELS = 20, 40, 32
"""Rows shown at most."""

LAYER_NOTABLE, LAYER_BAD = 0.05, 0.2
"""Relative errors from which a layer is marked; 0.1 is a noise of a tenth of the signal's deviation."""

SATURATED_NOTABLE = 0.001
STEPS_FEW = 16
"""A channel with fewer steps between its least and greatest value is marked: it has four bits left."""

CHART_WIDTH, CHART_HEIGHT = 640, 150


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A confusion matrix's cell: `strength` is its share of the labelled class's samples."""

    count: int
    strength: float
    right: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two classes that are confused, with how many samples before and after."""

    label: str
    predicted: str
    source: int
    artifact: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar of a chart, in the chart's units."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, kw_only=True)
class LimitUse:
    """How much of a limit the artifact takes; `share` is 1 at the limit."""

    limit: SizeLimit
    used_bytes: int | None
    share: float | None


@dataclass(frozen=True, kw_only=True)
class View:
    """What the page shows beside the evidence itself.

    Attributes:
        limits: The limits with their use.
        tightest: The one that is used most; None without limits or without an artifact.
        budget_used: Share of the budget that was lost, 0 to 1; None without a score.
        matrices: Title and rows of the confusion matrix before and after; empty above `MATRIX_CLASSES`.
        pairs: The most confused pairs, in place of the matrices.
        histograms: Bars of each output's histogram, by the output's name.
        layers: Place and error of the layers shown, in the graph's order.
        channels: The input channels shown, those in trouble first.
    """

    limits: tuple[LimitUse, ...]
    tightest: LimitUse | None
    budget_used: float | None
    matrices: tuple[tuple[str, tuple[tuple[Cell, ...], ...]], ...]
    pairs: tuple[Pair, ...]
    histograms: dict[str, tuple[Bar, ...]]
    layers: tuple[tuple[int, LayerError], ...]
    channels: tuple[ChannelCoverage, ...]


def arrange(evidence: Evidence) -> View:
    """Arranges the evidence for the template."""
    before, after = evidence.source_confusion, evidence.artifact_confusion
    given = [(name, each) for name, each in (("Source", before), ("Artifact", after)) if each]
    small = all(len(each.classes) <= MATRIX_CLASSES for _, each in given)
    limits = tuple(_limit_use(limit, evidence) for limit in evidence.limits)
    sized = evidence.artifact_sizes is not None
    return View(
        limits=limits,
        tightest=max(limits, key=lambda use: use.share or 0, default=None) if sized else None,
        budget_used=None if evidence.score is None else _budget_used(evidence.score),
        matrices=tuple((name, _matrix(each)) for name, each in given) if small else (),
        pairs=() if small else _pairs(before, after),
        histograms={output.name: _bars(output) for output in evidence.outputs},
        layers=_worst_layers(evidence.layers),
        channels=_worst_channels(evidence.coverage),
    )


def metric_title(metric: str) -> str:
    """A metric's name above a figure."""
    name = metric_name(metric)
    return name if name == metric and ":" in metric else name[:1].upper() + name[1:]


def tensor_name(name: str) -> str:
    """The first of the names that TensorFlow's converter joins where it fuses operators."""
    first, *others = name.split(";")
    return f"{first} (+{len(others)})" if others else first


def score_text(score: Score, value: float) -> str:
    """A value of a metric."""
    return formats.percent(value) if is_share(score.metric) else formats.number(value)


def change_text(score: Score, change: float) -> str:
    """A difference of a metric, with its sign."""
    if abs(change) < 5e-7:
        return "no change"
    if is_share(score.metric):
        return f"{change * 100:+.2f} points"
    return f"{change:+.4g}"


def _limit_use(limit: SizeLimit, evidence: Evidence) -> LimitUse:
    sizes = evidence.artifact_sizes
    used = None
    if sizes is not None:
        used = sizes.raw_bytes if limit.counted == "raw" else sizes.zip_bytes
    share = None if used is None else used / limit.limit_bytes
    return LimitUse(limit=limit, used_bytes=used, share=share)


def _budget_used(score: Score) -> float:
    if not score.within_budget:
        return 1.0
    return max(score.drop / score.max_drop, 0.0) if score.max_drop > 0 else 0.0


def _matrix(confusion: Confusion) -> tuple[tuple[Cell, ...], ...]:
    classes = confusion.classes
    counts = {(label, guess): count for label, guess, count in confusion.cells}
    totals: Counter[int] = Counter()
    for label, _, count in confusion.cells:
        totals[label] += count
    return tuple(
        tuple(
            Cell(
                count=counts.get((label, guess), 0),
                strength=counts.get((label, guess), 0) / max(totals[label], 1),
                right=label == guess,
                title=f"{name} taken for {other}: {counts.get((label, guess), 0)} of {totals[label]}",
            )
            for guess, other in enumerate(classes)
        )
        for label, name in enumerate(classes)
    )


def _pairs(before: Confusion | None, after: Confusion | None) -> tuple[Pair, ...]:
    """The pairs that the artifact confuses most; of equals, those it confuses more than the source."""

    def wrong(confusion: Confusion | None) -> dict[tuple[str, str], int]:
        if confusion is None:
            return {}
        names = confusion.classes
        cells = confusion.cells
        return {(names[label], names[guess]): count for label, guess, count in cells if label != guess}

    source, artifact = wrong(before), wrong(after)
    found = [
        Pair(label=key[0], predicted=key[1], source=source.get(key, 0), artifact=artifact.get(key, 0))
        for key in {**artifact, **source}
    ]
    found.sort(key=lambda pair: (-pair.artifact, pair.source, pair.label, pair.predicted))
    return tuple(found[:PAIRS])


def _bars(output: OutputComparison) -> tuple[Bar, ...]:
    most = max(output.histogram, default=0)
    width = CHART_WIDTH / max(len(output.histogram), 1)
    step = (output.histogram_greatest - output.histogram_least) / max(len(output.histogram), 1)
    bars = []
    for place, count in enumerate(output.histogram):
        if count:
            height = max(CHART_HEIGHT * count / most, 2.0)  # what is there is seen
            least = output.histogram_least + place * step
            bars.append(
                Bar(
                    x=round(place * width + 1, 2),
                    y=round(CHART_HEIGHT - height, 2),
                    width=round(width - 2, 2),
                    height=round(height, 2),
                    title=f"{least:.3g} to {least + step:.3g}: {count:,} values",
                )
            )
    return tuple(bars)


def _worst_layers(layers: tuple[LayerError, ...]) -> tuple[tuple[int, LayerError], ...]:
    def badness(numbered: tuple[int, LayerError]) -> float:
        error = numbered[1].relative_error
        return float("inf") if error is None else error

    worst = sorted(enumerate(layers, 1), key=badness, reverse=True)[:LAYERS]
    return tuple(sorted(worst, key=lambda numbered: numbered[0]))


def _worst_channels(coverage: tuple[ChannelCoverage, ...]) -> tuple[ChannelCoverage, ...]:
    if len(coverage) <= CHANNELS:
        return coverage

    def badness(each: ChannelCoverage) -> tuple[float, float]:
        return -(each.saturated or 0.0), float("inf") if each.steps is None else each.steps

    return tuple(sorted(coverage, key=badness)[:CHANNELS])
