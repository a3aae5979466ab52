"""The search, on models whose harm is known: a loss for every choice of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.conversion.repair import MOST_TRIES, find_repair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OPERATORS = ["input", *"abcdefghij"]


def harm(*groups: tuple[str, ...]) -> Callable[[Sequence[str]], float]:
    """Loses 0.2 for every group of which not all operators are in float."""
    return lambda left: 0.2 * sum(not set(group) <= set(left) for group in groups)


@pytest.mark.parametrize(
    "groups",
    [
        [("input", "a", "b")],
        [("a",)],
        [("j",)],
        [("c",), ("h",)],
        [("input", "a"), ("e",)],
        [tuple(OPERATORS)],
    ],
)
def test_what_does_the_harm_is_left_in_float_and_nothing_else(groups: list[tuple[str, ...]]) -> None:
    repair = find_repair(OPERATORS, harm(*groups), 0.01)
    assert repair is not None
    assert repair.left_in_float == tuple(each for each in OPERATORS if any(each in g for g in groups))
    assert repair.loss == 0
    assert repair.tries <= MOST_TRIES


def test_a_model_that_nothing_helps_is_given_up() -> None:
    tried: list[tuple[str, ...]] = []

    def attempt(left: Sequence[str]) -> float:
        tried.append(tuple(left))
        return 0.5

    assert find_repair(OPERATORS, attempt, 0.01) is None
    assert len(tried) == len(set(tried)) <= MOST_TRIES


def test_a_long_model_costs_no_more_tries_than_are_allowed() -> None:
    operators = [str(number) for number in range(500)]
    tried: list[tuple[str, ...]] = []

    def attempt(left: Sequence[str]) -> float:
        tried.append(tuple(left))
        return 0.0 if {"0", "1", "2"} <= set(left) else 0.5

    repair = find_repair(operators, attempt, 0.01)
    assert repair is not None
    assert repair.left_in_float == ("0", "1", "2")
    assert len(tried) <= MOST_TRIES


def test_a_choice_that_cannot_be_built_is_passed_over() -> None:
    def attempt(left: Sequence[str]) -> float:
        return float("inf") if "b" in left else 0.2 * ("a" not in left)

    repair = find_repair(OPERATORS, attempt, 0.01)
    assert repair is not None
    assert repair.left_in_float == ("a",)
