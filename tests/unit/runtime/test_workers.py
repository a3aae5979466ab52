"""What is answered in the event loop, and what takes a thread: by what the last inference took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liteship.runtime.function import Function
from liteship.runtime.inference import Inference
from liteship.runtime.workers import AT_ONCE_BYTES, AT_ONCE_MS, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

WINE = Path(__file__).parents[3] / "functions" / "wine"
ELEMENTS = 13
QUICK_MS = 0.001


def took(invoke_ms: float, items: int = 1) -> Inference:
    return Inference("wine", "1", [{}] * items, [{}] * items, [], {"invoke": invoke_ms})


@pytest.fixture
def wine() -> Function:
    return Function(str(WINE / "app.py"), environ={"LITESHIP_WORKERS": "1"})


def test_a_model_of_unknown_cost_takes_a_thread(wine: Function) -> None:
    workers = Workers(wine)
    assert not workers.answers_at_once(52, {})
    assert not workers.answers_at_once(0, {})


def test_as_many_elements_as_bytes_may_take_so_long(wine: Function) -> None:
    workers = Workers(wine)
    for items in (1, 4):
        workers.learn(took(items * AT_ONCE_MS / 8, items))
        assert workers.answers_at_once(8 * ELEMENTS, {})
        assert not workers.answers_at_once(8 * ELEMENTS + 1, {})
    workers.learn(took(2 * AT_ONCE_MS))
    assert not workers.answers_at_once(ELEMENTS, {})


def test_what_takes_time_to_read_takes_a_thread(wine: Function) -> None:
    workers = Workers(wine)
    workers.learn(took(QUICK_MS / 1000))
    assert workers.answers_at_once(AT_ONCE_BYTES, {})
    assert not workers.answers_at_once(AT_ONCE_BYTES + 1, {})
    assert not workers.answers_at_once(52, {"content-encoding": "gzip"})


def test_nothing_overtakes_what_waits(wine: Function) -> None:
    workers = Workers(wine)
    workers.learn(took(QUICK_MS))
    assert workers.answers_at_once(52, {})
    workers._predictions.add(workers._pool.submit(int))  # type: ignore[arg-type]  # what runs is the same
    assert not workers.answers_at_once(52, {})


def test_pictures_and_steps_in_python_take_a_thread(
    wine: Function, make_function: Callable[..., Function]
) -> None:
    hooked = Function(str(WINE / "app.py"), postprocess=lambda outputs: {"outputs": len(outputs)})
    pipeline = '{"p": {"steps": ["wine"]}}'
    several = Function(str(WINE / "app.py"), environ={"LITESHIP_PIPELINES": pipeline})
    for function, at_once in (
        (wine, True),
        (hooked, False),
        (make_function(), False),
        (several, False),
    ):
        workers = Workers(function)
        workers.learn(took(QUICK_MS))
        assert workers.answers_at_once(52, {}) is at_once
