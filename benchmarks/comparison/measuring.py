"""Measures everyone in turn, round by round, so that whatever else the machine does falls on all."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.comparison.checks import compare_all
from benchmarks.comparison.client import Connection, hammer
from benchmarks.comparison.contestants import CLIENTS, OURS, SERVER
from benchmarks.comparison.inference import Alone, infer_alone
from benchmarks.comparison.models import HEAVY, function_folder
from benchmarks.comparison.process import RETRY_S, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.comparison.contestants import Contestant
    from benchmarks.comparison.process import Running

START_TIMEOUT_S = 120.0


class Effort(NamedTuple):
    """How much is measured.

    Args:
        rounds: After a first one, which fills the page cache and is left out.
        requests: Of each wire form, each round, by model.
        under_load: At each number of clients, each round, by model; 0 for none.
    """

    rounds: int
    requests: dict[str, int]
    under_load: dict[str, int]


FULL = Effort(
    5,
    {"tiny": 400, "mobilenet": 60, HEAVY: 30},
    {"tiny": 1600, "mobilenet": 160, HEAVY: 96},
)
QUICK = Effort(3, {"tiny": 200, "mobilenet": 20}, {"tiny": 0, "mobilenet": 0})


class Cost(NamedTuple):
    """Of requests to one server.

    Args:
        cpu_ms: CPU milliseconds of one.
        requests_per_s: Answered.
        latencies_ms: Of each.
    """

    cpu_ms: float
    requests_per_s: float
    latencies_ms: list[float]


def p99(latencies_ms: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(latencies_ms, n=100)[98]


@dataclass
class Load:
    """Under some clients at once, one value a round."""

    requests_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


@dataclass
class Figures:
    """What was measured of a contestant, one value a round.

    Attributes:
        cold_ms: From spawn to the first right answer.
        cold_cpu_ms: CPU time up to it, of all its processes.
        warm_cpu_ms: CPU time a request, by wire form, one client.
        warm_ms: Median latency by wire form, one client.
        load: By number of clients, in its first wire form.
        peak_mib: Most resident memory, after all of it.
    """

    cold_ms: list[float] = field(default_factory=list)
    cold_cpu_ms: list[float] = field(default_factory=list)
    warm_cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    warm_ms: dict[str, list[float]] = field(default_factory=dict)
    load: dict[int, Load] = field(default_factory=dict)
    peak_mib: list[float] = field(default_factory=list)


def measure(
    everyone: list[Contestant], effort: Effort, log: Path
) -> tuple[dict[tuple[str, str], Figures], dict[str, list[Alone]]]:
    """Figures of each contestant, by name and model; and of each model's inference alone.

    Args:
        everyone: Whom to measure.
        effort: How often.
        log: Where the server that runs writes to.

    Raises:
        AssertionError: One answers wrongly.
        SystemExit: One does not answer.
    """
    figures = {(each.name, each.model): Figures() for each in everyone}
    alone: dict[str, list[Alone]] = {each.model: [] for each in everyone}
    for each in everyone:
        check(each, log)
    for count in range(effort.rounds + 1):
        for each in everyone:
            measured = Figures() if count == 0 else figures[each.name, each.model]
            print(f"round {count}/{effort.rounds} {each.model} {each.name}", file=sys.stderr)
            with _cpus(1 if each.has_one_cpu else None):
                _one_round(each, effort, measured, log)
            if each.name == OURS and count > 0:
                model = function_folder(each.model) / "model" / "model.tflite"
                alone[each.model].append(infer_alone(model, effort.requests[each.model]))
    return figures, alone


@contextlib.contextmanager
def _cpus(count: int | None) -> Iterator[None]:
    """Leaves this process, and those it starts, so many CPUs, or all."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def check(contestant: Contestant, log: Path) -> None:
    """Every form answers every case rightly, and none with the answer to another.

    Raises:
        AssertionError: It does not.
        SystemExit: It refuses, or does not answer.
    """
    with start(contestant.command, log) as running:
        first_answer(contestant, running)
        for question in contestant.questions:
            answers = []
            for request in question.requests:
                connection = Connection(running.port)
                answer = connection.ask(request)
                connection.close()
                content = question.read(answer)
                if content is None:
                    raise running.fail(f"{question.form} is refused: {answer.body[:500]!r}")
                answers.append(content)
            if contestant.framework:
                compare_all(contestant, question.form, answers)


def _one_round(contestant: Contestant, effort: Effort, figures: Figures, log: Path) -> None:
    with start(contestant.command, log) as running:
        cold_ms, cold_cpu_ms = first_answer(contestant, running)
        figures.cold_ms.append(cold_ms)
        figures.cold_cpu_ms.append(cold_cpu_ms)
        requests = effort.requests[contestant.model]
        for question in contestant.questions:
            hammer(running.port, question.requests[0], 1, max(requests // 10, 3))
            cost = measure_requests(running, question.requests[0], 1, requests)
            figures.warm_cpu_ms.setdefault(question.form, []).append(cost.cpu_ms)
            figures.warm_ms.setdefault(question.form, []).append(statistics.median(cost.latencies_ms))
        if contestant.kind == SERVER and effort.under_load[contestant.model]:
            for clients in CLIENTS:
                load = figures.load.setdefault(clients, Load())
                count = effort.under_load[contestant.model]
                cost = measure_requests(running, contestant.questions[0].requests[0], clients, count)
                load.requests_per_s.append(cost.requests_per_s)
                load.cpu_ms.append(cost.cpu_ms)
                load.p99_ms.append(p99(cost.latencies_ms))
        figures.peak_mib.append(running.peak_mib())


def measure_requests(running: Running, request: bytes, clients: int, count: int) -> Cost:
    """Asks the same so often, by so many clients at once."""
    before_ms, start_s = running.cpu_ms(), time.perf_counter()
    latencies_ms = hammer(running.port, request, clients, count)
    elapsed_s = time.perf_counter() - start_s
    return Cost((running.cpu_ms() - before_ms) / count, count / elapsed_s, latencies_ms)


def first_answer(contestant: Contestant, running: Running) -> tuple[float, float]:
    """Asks until there is an answer: milliseconds since the spawn, and CPU milliseconds.

    A server that is not ready may refuse, or answer an error; what it answers first must be right.
    """
    question = contestant.questions[0]
    while time.perf_counter() - running.started_s < START_TIMEOUT_S:
        if running.process.poll() is not None:
            raise running.fail(f"it ended with exit code {running.process.returncode}")
        try:
            connection = Connection(running.port)
            answer = connection.ask(question.requests[0])
        except OSError:
            time.sleep(RETRY_S)
            continue
        times = (time.perf_counter() - running.started_s) * 1e3, running.cpu_ms()
        connection.close()
        content = question.read(answer)
        if content is not None:
            if contestant.framework:
                compare_all(contestant, question.form, [content])
            return times
        time.sleep(RETRY_S)
    raise running.fail(f"no answer within {START_TIMEOUT_S:g} s")
