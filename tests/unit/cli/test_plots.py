from __future__ import annotations

from liteship.cli.plots import MARKERS, WIDTH, curves

SIZES = [128, 512, 1769]


def test_curves_fit_the_terminal_and_tell_which_is_which() -> None:
    text = curves("latency", SIZES, {"p50": [20.0, 2.0, 1.0], "p99": [40.0, 20.0, 2.0]}, width=60)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 60
    assert "latency   * p50   o p99" in lines[0]
    assert all(str(size) in lines[-1] for size in SIZES)
    assert {"*", "o"} <= set(text)
    assert "\x1b" not in text


def test_the_highest_value_is_drawn_at_the_top_and_the_scale_begins_at_zero() -> None:
    text = curves("cost", SIZES, {"": [2.0, 2.0, 2.0]})
    _, _, top, *rest = text.splitlines()
    assert top.count(MARKERS[0]) > WIDTH // 2
    assert not any(MARKERS[0] in line for line in rest)
    assert any(line.lstrip().startswith("0.0") for line in rest)
