"""Leaves in float what an int8 model loses its accuracy by, and as little of it as will do.

Which operator does the harm cannot be told from how far its tensors are off: in a tabular model with a
normalisation layer, the greatest error by scale lay elsewhere. So the search asks for accuracy itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Try = Callable[[Sequence[str]], float]
    """Quantizes all but the named operators, and measures what that loses, in the metric's unit."""

MOST_TRIES = 60
"""Quantizations that one search may cost; a network has a few hundred operators."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What the search found.

    Attributes:
        left_in_float: Operators, in the order of their execution.
        loss: What is lost with these in float.
        tries: How many models were quantized and measured.
    """

    left_in_float: tuple[str, ...]
    loss: float
    tries: int


class _Search:
    def __init__(self, attempt: Try) -> None:
        self._attempt = attempt
        self._known: dict[tuple[str, ...], float] = {}

    @property
    def tries(self) -> int:
        return len(self._known)

    def loss(self, left: Sequence[str]) -> float:
        key = tuple(left)
        if key not in self._known:
            self._known[key] = self._attempt(key)
        return self._known[key]


def find_repair(operators: Sequence[str], attempt: Try, max_drop: float) -> Repair | None:
    """Searches from the input side, then gives back to int8 whatever need not be in float.

    Args:
        operators: Those that may be left in float, in the order of their execution, the model's input
            (`schemes.BOUNDARY`) first.
        attempt: Measures one choice.
        max_drop: The loss that is allowed.

    Returns:
        The smallest set found that keeps the budget, or None.
    """
    search = _Search(attempt)
    left = _grow(operators, search, max_drop)
    if left is None:
        return None
    left = _shrink(left, search, max_drop)
    return Repair(left_in_float=tuple(left), loss=search.loss(left), tries=search.tries)


def _grow(operators: Sequence[str], search: _Search, max_drop: float) -> list[str] | None:
    """The shortest beginning of the model that keeps the budget, else the operators that help most."""
    # Longer steps further in: what harms most is near the input, where nothing is normalised yet
    count, step = 1, 1
    while count <= len(operators) and search.tries < MOST_TRIES:
        if search.loss(operators[:count]) <= max_drop:
            return list(operators[:count])
        count += step
        step = max(1, count // 8)
    left: list[str] = []
    while search.tries < MOST_TRIES:
        best, best_loss = "", search.loss(left) if left else float("inf")
        for each in operators:
            if search.tries >= MOST_TRIES:
                break
            if each not in left:
                loss = search.loss(_ordered(operators, [*left, each]))
                if loss < best_loss:
                    best, best_loss = each, loss
        if not best:
            return None
        left = _ordered(operators, [*left, best])
        if best_loss <= max_drop:
            return left
    return None


def _shrink(left: list[str], search: _Search, max_drop: float) -> list[str]:
    """Without each operator that the budget does not need, the last one first."""
    for each in reversed(left):
        if search.tries >= MOST_TRIES:
            break
        fewer = [other for other in left if other != each]
        if fewer and search.loss(fewer) <= max_drop:
            left = fewer
    return left


def _ordered(operators: Sequence[str], chosen: Sequence[str]) -> list[str]:
    return [each for each in operators if each in chosen]
