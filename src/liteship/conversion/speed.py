"""What a run of a model costs on this machine, by threads and by items a run.

Candidates take turns, so that what else the machine does meets all of them alike. CPU time is the
process's own, of all threads; a run's answers are compared byte for byte with those of one item alone.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from liteship.artifact import Artifact
from liteship.errors import ArtifactError
from liteship.runtime.backends.litert_c import LiteRtCInterpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from liteship.artifact.tensors import TensorSpec

ROUNDS = 9
BLOCK_S = 0.04
"""A turn's length: the kernel adds other threads' CPU time up every 4 ms only (CONFIG_HZ)."""

BATCHING = 32
"""Items of one run that a conversion tries. Models that gain have nearly all of the gain by then
(docs/architecture/decisions/0015-litert-options.md)."""

WORTHWHILE = 0.5
"""Part of one item's CPU time that an item of many may take at most for several to be run at once. What
reads its weights once for all items takes 0.3 or less, convolutions 0.6 to 1.5."""

LONG_RUN_MS = 50.0
"""A model that takes longer for one item is not tried: many would hold up all others for seconds."""


DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
"""x86-64's VNNI in its two encodings, and arm64's dot product, as `/proc/cpuinfo` calls them
(https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/cpufeatures.h,
https://github.com/torvalds/linux/blob/v6.12/Documentation/arch/arm64/elf_hwcaps.rst)."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to run a model.

    Attributes:
        threads: That share a run.
        items: Of one run.
    """

    threads: int = 1
    items: int = 1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a candidate's runs took, in milliseconds an item.

    Attributes:
        candidate: The way to run the model.
        cpu_ms: Of each round.
        wall_ms: Of each round.
        is_exact: Whether every item was answered as it is alone on one thread, to the byte.
    """

    candidate: Candidate
    cpu_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]
    is_exact: bool

    @property
    def least_cpu_ms(self) -> float:
        """The best round's: what else the machine does only adds to it."""
        return min(self.cpu_ms)

    @property
    def median_cpu_ms(self) -> float:
        """The middle round's."""
        return median(self.cpu_ms)

    @property
    def median_wall_ms(self) -> float:
        """The middle round's."""
        return median(self.wall_ms)


def dot_products(cpu_info: str) -> bool:
    """Whether a processor multiplies and adds 8-bit integers in one instruction.

    Args:
        cpu_info: The content of `/proc/cpuinfo`.
    """
    return not DOT_PRODUCTS.isdisjoint(cpu_info.split())


def measure_costs(
    model: bytes,
    inputs: Mapping[str, bytes],
    candidates: Sequence[Candidate],
    *,
    rounds: int = ROUNDS,
    block_s: float = BLOCK_S,
) -> list[Cost]:
    """What each candidate costs.

    Args:
        model: The content of a `.tflite` file.
        inputs: One item's, by name; each further item has its elements moved on by one.
        candidates: The first must be possible.
        rounds: Turns of each candidate.
        block_s: Seconds that a turn takes at least.

    Returns:
        In the same order, without those that the model cannot be run in: a graph may hold a size that
        is not the batch's.
    """
    alone = LiteRtCInterpreter(model)
    most = max(each.items for each in candidates)
    items = [
        {name: _moved(inputs[name], by, spec) for name, spec in alone.inputs.items()}
        for by in range(most)
    ]
    expected = [alone.invoke(item) for item in items]
    turns = []
    for candidate in candidates:
        with suppress(ArtifactError):
            turns.append(_Turns(model, candidate, items, expected))
    for _ in range(rounds):
        for each in turns:
            each.take(block_s)
    return [each.cost() for each in turns]


def best_batching(costs: Sequence[Cost]) -> int:
    """The fewest items of one run that cost at most a tenth more than the cheapest.

    Args:
        costs: Of one item first, then of several, all on one thread.

    Returns:
        1 where several are not worth it, or are answered otherwise.
    """
    one, *several = costs
    exact = [each for each in several if each.is_exact]
    least = min((each.least_cpu_ms for each in exact), default=one.least_cpu_ms)
    if least > WORTHWHILE * one.least_cpu_ms:
        return 1
    return min(each.candidate.items for each in exact if each.least_cpu_ms <= 1.1 * least)


def measured_batching(artifact: Artifact, folder: Path) -> int:
    """How many items a run of this model should take: 1, or `BATCHING`.

    What the folder's artifact says of the same model is kept: a conversion that is repeated gives the
    same bytes, on another machine too.

    Args:
        artifact: That was converted.
        folder: Where it is to be written.
    """
    manifest = artifact.manifest
    try:
        before = Artifact.load(folder).manifest
    except ArtifactError:
        before = None
    if before is not None and before.sha256 == manifest.sha256:
        return before.batching
    if not manifest.is_batched:
        return 1
    run = artifact.model, artifact.golden_tensors
    (single,) = measure_costs(*run, [Candidate()], rounds=1, block_s=0)
    if single.least_cpu_ms > LONG_RUN_MS:
        return 1
    candidates = [Candidate(), Candidate(items=BATCHING)]
    return best_batching(measure_costs(*run, candidates, rounds=5, block_s=BLOCK_S / 4))


class _Turns:
    """A candidate's interpreter, and what its rounds took."""

    def __init__(
        self,
        model: bytes,
        candidate: Candidate,
        items: Sequence[dict[str, bytes]],
        expected: Sequence[dict[str, bytes]],
    ) -> None:
        self._candidate = candidate
        self._interpreter = LiteRtCInterpreter(model, candidate.threads)
        count = candidate.items
        self._inputs = {
            name: b"".join(item[name] for item in items[:count]) for name in self._interpreter.inputs
        }
        outputs = self._interpreter.invoke(self._inputs, count)  # the first run packs weights
        self._is_exact = all(
            outputs[name] == b"".join(each[name] for each in expected[:count]) for name in outputs
        )
        self._cpu_ms: list[float] = []
        self._wall_ms: list[float] = []

    def take(self, block_s: float) -> None:
        """Runs for as long as a turn lasts, once at least."""
        count = self._candidate.items
        runs = 0
        cpu_s, start_s = time.process_time(), time.perf_counter()
        while True:
            self._interpreter.invoke(self._inputs, count)
            runs += 1
            if (wall_s := time.perf_counter() - start_s) >= block_s:
                break
        self._cpu_ms.append((time.process_time() - cpu_s) * 1e3 / runs / count)
        self._wall_ms.append(wall_s * 1e3 / runs / count)

    def cost(self) -> Cost:
        """What its turns took."""
        return Cost(
            candidate=self._candidate,
            cpu_ms=tuple(self._cpu_ms),
            wall_ms=tuple(self._wall_ms),
            is_exact=self._is_exact,
        )


def _moved(data: bytes, by: int, spec: TensorSpec) -> bytes:
    """A tensor with its elements moved on: another input of the same range."""
    offset = by * (len(data) // spec.elements) % len(data)
    return data[offset:] + data[:offset]
