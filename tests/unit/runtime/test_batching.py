"""Requests that share a run: who runs with whom, who is told of failures; nobody is left waiting."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from liteship.runtime.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    Items = Sequence[Mapping[str, bytes]]
    Outputs = list[dict[str, bytes]]

PATIENCE_S = 20


class Model:
    """Answers each item with itself; its first run lasts until it is told to end."""

    def __init__(self) -> None:
        self.is_running = threading.Event()
        self.may_end = threading.Event()
        self.runs: list[list[bytes]] = []

    def run(self, items: Items) -> Outputs:
        self.runs.append([item["x"] for item in items])
        if not self.is_running.is_set():
            self.is_running.set()
            assert self.may_end.wait(PATIENCE_S)
        if any(item["x"] == b"broken" for item in items):
            msg = "broken"
            raise ValueError(msg)
        return [{"y": item["x"]} for item in items]


def items(*values: bytes) -> list[dict[str, bytes]]:
    return [{"x": value} for value in values]


def ask_while_it_runs(
    model: Model, batcher: Batcher, *requests: Sequence[bytes]
) -> list[Future[Outputs]]:
    """Sends the first request, the others in order while it runs, and lets it end."""
    with ThreadPoolExecutor(len(requests)) as pool:
        futures = [pool.submit(batcher.run, items(*requests[0]), model.run)]
        assert model.is_running.wait(PATIENCE_S)
        for count, request in enumerate(requests[1:], 1):
            futures.append(pool.submit(batcher.run, items(*request), model.run))
            until = time.monotonic() + PATIENCE_S
            while len(batcher._waiting) < count:  # the order is what is tested
                assert time.monotonic() < until
                time.sleep(0.001)
        model.may_end.set()
    return futures


def outputs(*values: bytes) -> Outputs:
    return [{"y": value} for value in values]


def test_a_request_alone_is_run_at_once() -> None:
    model = Model()
    model.may_end.set()
    assert Batcher(8, 1).run(items(b"a", b"b"), model.run) == outputs(b"a", b"b")
    assert model.runs == [[b"a", b"b"]]


def test_those_that_wait_share_the_next_run() -> None:
    model = Model()
    first, *others = ask_while_it_runs(model, Batcher(8, 1), [b"a"], [b"b", b"c"], [b"d"], [b"e"])
    assert model.runs == [[b"a"], [b"b", b"c", b"d", b"e"]]
    assert first.result() == outputs(b"a")
    assert [each.result() for each in others] == [outputs(b"b", b"c"), outputs(b"d"), outputs(b"e")]


def test_a_run_takes_no_more_items_than_it_may_and_keeps_the_order() -> None:
    model = Model()
    requests = [[b"a"], [b"b", b"c"], [b"d"], [b"e"], [b"f", b"g", b"h", b"i"], [b"j"]]
    futures = ask_while_it_runs(model, Batcher(3, 1), *requests)
    # A request of more than it may is run all the same: how many each takes is the model's business
    assert model.runs == [[b"a"], [b"b", b"c", b"d"], [b"e"], [b"f", b"g", b"h", b"i"], [b"j"]]
    assert [future.result() for future in futures] == [outputs(*each) for each in requests]


def test_as_many_runs_as_may_go_on_at_once() -> None:
    model = Model()
    with ThreadPoolExecutor(1) as pool:
        batcher = Batcher(8, 2)
        slow = pool.submit(batcher.run, items(b"slow"), model.run)
        assert model.is_running.wait(PATIENCE_S)
        assert batcher.run(items(b"fast"), model.run) == outputs(b"fast")
        assert not slow.done()
        model.may_end.set()


def test_what_fails_is_told_to_nobody_else() -> None:
    model = Model()
    futures = ask_while_it_runs(model, Batcher(8, 1), [b"a"], [b"b"], [b"broken", b"c"], [b"d"])
    assert model.runs[:2] == [[b"a"], [b"b", b"broken", b"c", b"d"]]
    with pytest.raises(ValueError, match="broken"):
        futures[2].result()
    answered = [future.result() for future in (futures[0], futures[1], futures[3])]
    assert answered == [outputs(b"a"), outputs(b"b"), outputs(b"d")]


def test_a_failure_leaves_the_run_to_those_that_wait() -> None:
    model = Model()
    futures = ask_while_it_runs(model, Batcher(1, 1), [b"broken"], [b"a"], [b"broken"], [b"b"])
    assert [future.exception() is None for future in futures] == [False, True, False, True]
    assert Batcher(1, 1).run(items(b"c"), model.run) == outputs(b"c")


@pytest.mark.parametrize("runs", [1, 2])
def test_many_threads_get_their_own_answers(runs: int) -> None:
    batcher = Batcher(6, runs)

    def run(asked: Items) -> Outputs:
        if len(asked) > 1 and any(item["x"].startswith(b"7") for item in asked):
            msg = "only alone"
            raise ValueError(msg)
        return [{"y": item["x"]} for item in asked]

    def ask(seed: int) -> None:
        source = random.Random(seed)  # noqa: S311  # not secrets
        for index in range(200):
            values = [f"{seed}-{index}-{n}".encode() for n in range(source.randint(1, 3))]
            if seed == 7:
                values = values[:1]
            assert batcher.run(items(*values), run) == outputs(*values)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(ask, seed) for seed in range(8)]:
            future.result(PATIENCE_S * 3)
    assert batcher._waiting == []
    assert batcher._free_runs == runs
