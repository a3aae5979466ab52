from __future__ import annotations

import numpy as np
from tests.unit.conversion.report.evidence_of import bare, full, layer, score

from liteship.conversion.compression import CompressedSizes
from liteship.conversion.report import measures, parts, view


def many_classes(seed: int) -> parts.Confusion:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 1000, 5000)
    wrong = rng.random(5000) < 0.2
    guesses = np.where(wrong, (labels + 1) % 1000, labels)
    return measures.confusion(labels, guesses, [f"class {number}" for number in range(1000)])


def test_a_matrix_shows_each_class_as_a_share_of_its_samples() -> None:
    arranged = view.arrange(full())
    (_, source), (_, artifact) = arranged.matrices
    assert [[cell.count for cell in row] for row in source] == [[2, 0], [0, 2]]
    assert [[cell.count for cell in row] for row in artifact] == [[1, 1], [0, 2]]
    assert [cell.strength for cell in artifact[0]] == [0.5, 0.5]
    assert [cell.right for cell in artifact[0]] == [True, False]
    assert artifact[0][1].title == "cat taken for dog: 1 of 2"
    assert arranged.pairs == ()


def test_a_thousand_classes_become_the_pairs_that_are_confused_most() -> None:
    before, after = many_classes(1), many_classes(2)
    arranged = view.arrange(full(source_confusion=before, artifact_confusion=after))
    assert arranged.matrices == ()
    assert len(arranged.pairs) == view.PAIRS
    counts = [pair.artifact for pair in arranged.pairs]
    assert counts == sorted(counts, reverse=True)
    most = max(count for label, guess, count in after.cells if label != guess)
    assert counts[0] == most
    only_after = view.arrange(full(source_confusion=None, artifact_confusion=after))
    assert {pair.source for pair in only_after.pairs} == {0}


def test_the_worst_layers_stay_in_the_order_of_the_graph() -> None:
    layers = tuple(layer(place, (place * 37 % 100) / 1000) for place in range(100))
    arranged = view.arrange(full(layers=(*layers, layer(100, None))))
    places = [place for place, _ in arranged.layers]
    assert len(places) == view.LAYERS
    assert places == sorted(places)
    assert places[-1] == 101  # one without a measure is shown
    shown = [each.relative_error for _, each in arranged.layers if each.relative_error is not None]
    assert min(shown) == 0.061  # 39 of 100 different errors


def test_channels_in_trouble_come_first() -> None:
    def channel(place: int, steps: float | None, saturated: float | None) -> parts.ChannelCoverage:
        return parts.ChannelCoverage(
            input="row",
            channel=place,
            calibrated_least=0,
            calibrated_greatest=1,
            representable_least=0,
            representable_greatest=1,
            steps=steps,
            saturated=saturated,
            unseen=None,
        )

    channels = [channel(place, 200 - place, 0.0) for place in range(100)]
    channels[7] = channel(7, 255, 0.5)
    channels[8] = channel(8, None, None)
    shown = view.arrange(full(coverage=tuple(channels))).channels
    assert len(shown) == view.CHANNELS
    assert [each.channel for each in shown[:3]] == [7, 99, 98]
    assert 8 not in {each.channel for each in shown}


def test_a_limit_counts_the_size_that_it_is_about() -> None:
    limits = (
        parts.SizeLimit(name="zip", limit_bytes=1800, counted="zip"),
        parts.SizeLimit(name="raw", limit_bytes=500, counted="raw"),
    )
    arranged = view.arrange(bare(limits=limits))
    assert [(use.used_bytes, use.share) for use in arranged.limits] == [(900, 0.5), (1000, 2.0)]
    assert arranged.tightest == arranged.limits[1]
    none = view.arrange(bare(limits=limits, artifact_sizes=None))
    assert [(use.used_bytes, use.share) for use in none.limits] == [(None, None), (None, None)]
    assert none.tightest is None
    unzipped = CompressedSizes(raw_bytes=1000)
    assert view.arrange(bare(limits=limits[:1], artifact_sizes=unzipped)).limits[0].share is None


def test_what_was_used_of_the_budget() -> None:
    def used(source: float, artifact: float, max_drop: float = 0.01) -> float | None:
        evidence = full(score=score(source, artifact, max_drop=max_drop))
        return round(view.arrange(evidence).budget_used or 0, 6)

    assert [used(0.9, 0.9), used(0.9, 0.95), used(0.9, 0.895), used(0.9, 0.5)] == [0, 0, 0.5, 1]
    assert [used(0.9, 0.8, 0.0), used(0.9, float("nan"))] == [1, 1]
    assert view.arrange(bare()).budget_used is None


def test_bars_that_are_there_are_seen() -> None:
    (output,) = full().outputs
    bars = view.arrange(full()).histograms[output.name]
    assert len(bars) == sum(count > 0 for count in output.histogram)
    assert all(bar.height >= 2 and bar.y + bar.height == view.CHART_HEIGHT for bar in bars)
    assert all(bar.x >= 0 and bar.x + bar.width <= view.CHART_WIDTH for bar in bars)


def test_figures_are_written_by_their_metric() -> None:
    assert view.score_text(score(), 0.98765) == "98.77 %"
    assert view.score_text(score(metric="mae"), 0.98765) == "0.9877"
    assert view.change_text(score(), -0.0028) == "-0.28 points"
    assert view.change_text(score(metric="my:metric"), 0.5) == "+0.5"
    assert view.change_text(score(), 0.0) == "no change"
    assert [view.metric_title(name) for name in ("accuracy", "mae", "top5", "my:metric")] == [
        "Accuracy",
        "Mean absolute error",
        "Top-5 accuracy",
        "my:metric",
    ]


def test_of_joined_names_the_first_is_shown() -> None:
    assert view.tensor_name("a/Relu;a/BiasAdd;a/Conv2D") == "a/Relu (+2)"
    assert view.tensor_name("softmax") == "softmax"
