"""With the digits model, whose file is given sizes that its memory is nothing beside."""

from __future__ import annotations

import gc
import itertools
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import DIGITS, ROOT

from liteship import Predictor
from liteship.errors import ArtifactError, NotReadyError
from liteship.runtime import model_cache
from liteship.runtime.function import MOST_RETRY_S, RETRY_S
from liteship.runtime.model_cache import ModelCache, Slot, give_back_memory, resident_bytes
from liteship.runtime.telemetry import create_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def make_cache(budget_mib: int | None = None) -> ModelCache:
    return ModelCache(None if budget_mib is None else budget_mib * MIB, create_telemetry("lean", {}))


def make_slot(name: str, file_mib: int = 100, load: Callable[[], Predictor] | None = None) -> Slot:
    return Slot(
        name, "1", load or (lambda: Predictor.load(DIGITS / "model")), file_bytes=file_mib * MIB
    )


def loaded(*slots: Slot) -> str:
    return "".join(slot.name for slot in slots if slot.predictor is not None)


def logged(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [(line["message"], line["model"]) for line in lines]


def test_a_model_is_loaded_once_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    cache, slot = make_cache(), make_slot("a")
    assert cache.get(slot) is cache.get(slot)
    assert logged(capsys) == [("model ready", "a")]


def test_what_was_used_longest_ago_goes_first(capsys: pytest.CaptureFixture[str]) -> None:
    cache = make_cache(300)
    a, b, c, d = slots = [make_slot(name) for name in "abcd"]
    for slot in (a, b, c, a):
        cache.get(slot)
    assert loaded(*slots) == "abc"
    cache.get(d)
    assert loaded(*slots) == "acd"
    cache.get(b)
    assert loaded(*slots) == "abd"
    messages = [(message, name) for message, name in logged(capsys) if message == "model evicted"]
    assert messages == [("model evicted", "b"), ("model evicted", "c")]


def test_as_many_go_as_must() -> None:
    cache = make_cache(300)
    a, b, c, large = slots = [*(make_slot(name) for name in "abc"), make_slot("l", 200)]
    for slot in (a, b, c, large):
        cache.get(slot)
    assert loaded(*slots) == "cl"


def test_without_a_budget_everything_stays() -> None:
    cache, slots = make_cache(), [make_slot(name, 100_000) for name in "abc"]
    for slot in slots:
        cache.get(slot)
    assert loaded(*slots) == "abc"


def test_a_model_above_the_budget_is_served_alone_and_the_log_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache, small, large = make_cache(300), make_slot("s"), make_slot("l", 301)
    cache.get(small)
    assert cache.get(large).manifest.name == "digits"
    assert loaded(small, large) == "l"
    assert logged(capsys)[-1] == ("model exceeds models.memory_mib alone", "l")


def test_a_model_that_left_while_it_answered_answers_all_the_same() -> None:
    cache, first, second = make_cache(100), make_slot("a"), make_slot("b")
    predictor = cache.get(first)
    (golden,) = predictor.artifact.golden_inputs
    tensors = {predictor.manifest.inputs[0].name: golden}
    before = predictor.invoke(tensors)
    cache.get(second)
    assert loaded(first, second) == "b"
    assert predictor.invoke(tensors) == before
    assert cache.get(first) is not predictor


def test_all_but_the_file_counts_for_each_worker() -> None:
    slot = make_slot("a", 100)
    slot.grown_bytes = 130 * MIB
    assert [slot.size_bytes(workers) // MIB for workers in (1, 2, 4)] == [130, 160, 220]
    slot.grown_bytes = 0
    assert slot.size_bytes(4) == 100 * MIB


def test_what_has_been_measured_once_is_made_room_for_before() -> None:
    cache = make_cache(300)
    a, b, c = slots = [make_slot(name) for name in "abc"]
    c.grown_bytes = 250 * MIB

    def load() -> Predictor:
        assert loaded(*slots) == ""
        return Predictor.load(DIGITS / "model")

    c.load = load
    for slot in (a, b, c):
        cache.get(slot)
    assert loaded(*slots) == "c"


def test_two_that_ask_at_once_load_once() -> None:
    entered, go = threading.Event(), threading.Event()
    loads = []

    def load() -> Predictor:
        loads.append(threading.get_ident())
        entered.set()
        assert go.wait(60)
        return Predictor.load(DIGITS / "model")

    cache, slot, other = make_cache(), make_slot("a", load=load), make_slot("b")
    cache.get(other)
    found: list[Predictor] = []
    threads = [threading.Thread(target=lambda: found.append(cache.get(slot))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    assert cache.get(other) is other.predictor, "what is loaded answers meanwhile"
    go.set()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(found) == 8
    assert set(map(id, found)) == {id(slot.predictor)}


def test_many_threads_and_a_budget_for_one() -> None:
    cache, slots = make_cache(100), [make_slot(name) for name in "abc"]
    (golden,) = Predictor.load(DIGITS / "model").artifact.golden_inputs
    answers: list[str] = []

    def work(first: int) -> None:
        for number in range(10):
            predictor = cache.get(slots[(first + number) % 3])
            answers.append(str(predictor.invoke({predictor.manifest.inputs[0].name: golden})))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    assert len(set(answers)) == 1
    assert len(loaded(*slots)) == 1


class Clock:
    """Stands for the module `time`: waiting takes no time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.perf_counter = self.monotonic

    def monotonic(self) -> float:
        return self.now_s


def test_a_failed_load_is_remembered_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(model_cache, "time", clock)
    attempts = []

    def load() -> Predictor:
        attempts.append(clock.now_s)
        return Predictor.load(Path("/nowhere"))

    cache, slot = make_cache(), make_slot("a", load=load)
    for _ in range(3):
        with pytest.raises(NotReadyError) as raised:
            cache.get(slot)
        assert raised.value.reference == "artifact-missing"
        assert "model a version 1 is not ready: there is no /nowhere" in raised.value.message
    assert logged(capsys) == [("model not ready", "a")]
    for wait_s in (RETRY_S, 2 * RETRY_S, 4 * RETRY_S, 8 * RETRY_S, MOST_RETRY_S, MOST_RETRY_S):
        clock.now_s += wait_s
        with pytest.raises(NotReadyError):
            cache.get(slot)
    assert [b - a for a, b in itertools.pairwise(attempts)] == [5, 10, 20, 40, 60, 60]
    slot.load = lambda: Predictor.load(DIGITS / "model")
    clock.now_s += MOST_RETRY_S
    assert cache.get(slot).manifest.name == "digits"
    assert slot.refusal() is None
    assert slot.retry_s == RETRY_S


def test_a_failure_that_is_told_often_does_not_grow() -> None:
    cache, slot = make_cache(), make_slot("a", load=lambda: Predictor.load("/nowhere"))
    told = []
    for _ in range(3):
        with pytest.raises(NotReadyError) as raised:
            cache.get(slot)
        told.append(raised.value)
    assert len(set(map(id, told))) == 3
    assert len(set(map(str, told))) == 1
    assert slot.failure is not None
    assert slot.failure.__traceback__ is None


def test_what_nobody_expected_makes_one_model_not_ready_and_the_log_has_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load() -> Predictor:
        raise MemoryError

    cache, slot = make_cache(), make_slot("a", load=load)
    with pytest.raises(NotReadyError) as raised:
        cache.get(slot)
    assert raised.value.reference == "model-not-ready"
    assert "MemoryError" in raised.value.message
    assert "Traceback" in capsys.readouterr().out


def test_what_is_unloaded_stays_so_until_it_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    cache, slot = make_cache(), make_slot("a")
    cache.unload(slot)
    with pytest.raises(NotReadyError) as raised:
        cache.get(slot)
    assert raised.value.reference == "model-unloaded"
    assert raised.value.hint == "POST /v2/repository/models/a/load"
    cache.load(slot)
    assert loaded(slot) == "a"
    cache.unload(slot)
    assert loaded(slot) == ""
    assert logged(capsys) == [("model ready", "a"), ("model unloaded", "a")]


def test_loading_does_not_wait_for_the_next_attempt() -> None:
    def fail() -> Predictor:
        raise ArtifactError("artifact-missing", "gone", hint="none")

    cache, slot = make_cache(), make_slot("a", load=fail)
    with pytest.raises(NotReadyError):
        cache.get(slot)
    slot.load = lambda: Predictor.load(DIGITS / "model")
    cache.load(slot)
    assert loaded(slot) == "a"


def test_what_keeps_itself_is_asked_each_time_and_counts_nothing() -> None:
    predictor = Predictor.load(DIGITS / "model")
    cache = make_cache(100)
    kept = Slot("own", "1", lambda: predictor, is_kept=True)
    first, second = make_slot("a"), make_slot("b")
    for slot in (first, kept, second):
        cache.get(slot)
    assert cache.get(kept) is predictor
    assert loaded(first, second) == "b"


def test_memory_of_a_model_that_left_is_given_back() -> None:
    """The largest model here, eleven times over."""
    shapes = ROOT / "functions" / "shapes" / "model"
    cache = make_cache(1)
    slots = [make_slot(name, load=lambda: Predictor.load(shapes)) for name in "ab"]
    cache.get(slots[0])
    grown_bytes = resident_bytes()
    for number in range(1, 11):
        cache.get(slots[number % 2])
    gc.collect()
    give_back_memory()
    assert resident_bytes() - grown_bytes < slots[0].grown_bytes + 20 * MIB


def test_a_process_knows_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 * MIB < resident_bytes() < 10_000 * MIB

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("builtins.open", refuse)
    assert resident_bytes() == 0
