"""Curves in a terminal, without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 72, 14
"""At most, in characters."""

MARKERS = "*o+"


def curves(
    title: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], *, width: int = WIDTH
) -> str:
    """Draws one line a name over the same points.

    Args:
        title: Stands above.
        x: The points; each becomes a tick.
        lines: Values at these points by the line's name, at most three; the title tells which is which.
        width: Of the terminal.
    """
    import plotext  # type: ignore[import-untyped]

    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, WIDTH), HEIGHT)
    named = [f"{marker} {name}" for marker, name in zip(MARKERS, lines, strict=False) if name]
    figure.title("   ".join([title, *named]))
    for marker, y in zip(MARKERS, lines.values(), strict=False):
        figure.draw(figure.signal(list(x), list(y), marker=marker).lines())
    figure.ruler("x").ticks(list(x))
    least = min(0.0, *(value for y in lines.values() for value in y))
    figure.ruler("y").lim(least, max(value for y in lines.values() for value in y))
    return str(figure.build().string(colorless=True))
