"""What is measured, and what is made of it; that nothing here is timed by a test."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests.corpus import function_of

if TYPE_CHECKING:
    from pathlib import Path

from liteship import Artifact
from liteship.conversion import speed
from liteship.conversion.speed import (
    BATCHING,
    Candidate,
    Cost,
    best_batching,
    dot_products,
    measure_costs,
    measured_batching,
)
from liteship.errors import ArtifactError
from liteship.runtime.backends.litert_c import LiteRtCInterpreter


def cost(items: int, cpu_ms: float, *, is_exact: bool = True) -> Cost:
    candidate = Candidate(items=items)
    return Cost(candidate=candidate, cpu_ms=(cpu_ms,) * 3, wall_ms=(cpu_ms,) * 3, is_exact=is_exact)


def artifact_of(name: str, folder: Path) -> Artifact:
    function_of(name, folder)
    return Artifact.load(folder / "model")


def test_every_candidate_is_measured_as_often_and_answers_the_same(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    candidates = [Candidate(), Candidate(threads=2), Candidate(items=3), Candidate(items=8)]
    costs = measure_costs(artifact.model, artifact.golden_tensors, candidates, rounds=3, block_s=0)
    assert [each.candidate for each in costs] == candidates
    assert all(len(each.cpu_ms) == len(each.wall_ms) == 3 for each in costs)
    assert all(each.is_exact for each in costs)


def test_the_items_of_a_run_are_unlike_each_other(
    artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    invoke = LiteRtCInterpreter.invoke

    def watch(self: LiteRtCInterpreter, inputs: dict[str, bytes], items: int = 1) -> dict[str, bytes]:
        seen.append(inputs["image"])
        return invoke(self, inputs, items)

    monkeypatch.setattr(LiteRtCInterpreter, "invoke", watch)
    artifact = Artifact.load(artifact_folder)
    measure_costs(artifact.model, artifact.golden_tensors, [Candidate(items=8)], rounds=1, block_s=0)
    alone, together = seen[:8], seen[8]
    assert len(set(alone)) == 8
    assert together == b"".join(alone)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([cost(1, 1.0)], 1),
        ([cost(1, 1.0), cost(32, 0.49)], 32),
        ([cost(1, 1.0), cost(32, 0.51)], 1),
        ([cost(1, 1.0), cost(8, 0.5), cost(32, 0.46), cost(128, 0.47)], 8),
        ([cost(1, 1.0), cost(8, 0.5), cost(32, 0.4), cost(128, 0.2, is_exact=False)], 32),
        ([cost(1, 1.0), cost(32, 0.1, is_exact=False)], 1),
    ],
)
def test_several_items_are_for_a_clear_gain_and_the_same_answers(
    costs: list[Cost], expected: int
) -> None:
    assert best_batching(costs) == expected


def test_a_dense_model_is_run_on_several_items(tmp_path: Path) -> None:
    """Thirty-two items cost a thirtieth each here: no machine is as noisy as that."""
    artifact = artifact_of("dense-int8", tmp_path)
    assert measured_batching(artifact, tmp_path / "new") == BATCHING


def test_an_output_without_a_batch_dimension_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = artifact_of("scalar-float32", tmp_path)
    monkeypatch.setattr(speed, "measure_costs", None)
    assert measured_batching(artifact, tmp_path / "new") == 1


def test_what_a_model_cannot_be_run_in_is_left_out(
    artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a graph with a fixed reshape refuses a batch; none is in the corpus."""
    invoke = LiteRtCInterpreter.invoke

    def refuse_three(
        self: LiteRtCInterpreter, inputs: dict[str, bytes], items: int = 1
    ) -> dict[str, bytes]:
        if items == 3:
            raise ArtifactError("model-refused", "a fixed size", hint="convert it otherwise")
        return invoke(self, inputs, items)

    monkeypatch.setattr(LiteRtCInterpreter, "invoke", refuse_three)
    artifact = Artifact.load(artifact_folder)
    candidates = [Candidate(), Candidate(items=3), Candidate(items=4)]
    costs = measure_costs(artifact.model, artifact.golden_tensors, candidates, rounds=1, block_s=0)
    assert [each.candidate.items for each in costs] == [1, 4]


def test_what_was_measured_of_the_same_model_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = artifact_of("dense-int8", tmp_path)
    monkeypatch.setattr(speed, "measure_costs", None)
    for items in (1, 8):
        artifact.manifest.batching = items
        artifact.save(tmp_path / "model")
        assert measured_batching(artifact, tmp_path / "model") == items


def test_what_was_measured_of_another_model_is_not_kept(tmp_path: Path) -> None:
    artifact = artifact_of("dense-int8", tmp_path)
    other = artifact_of("scalar-float32", tmp_path / "other")
    artifact.manifest.batching = 8
    artifact.save(tmp_path / "model")
    assert measured_batching(other, tmp_path / "model") == 1


def test_a_slow_model_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = artifact_of("dense-int8", tmp_path)
    slow = dataclasses.replace(cost(1, speed.LONG_RUN_MS + 1))
    asked: list[object] = []

    def measure(*arguments: object, **_options: object) -> list[Cost]:
        asked.append(arguments[2])
        return [slow]

    monkeypatch.setattr(speed, "measure_costs", measure)
    assert measured_batching(artifact, tmp_path / "new") == 1
    assert asked == [[Candidate()]]


@pytest.mark.parametrize(
    ("cpu_info", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("Features\t: fp asimd asimddp\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("", False),
    ],
)
def test_dot_products_of_integers_are_told_by_the_flags(cpu_info: str, expected: bool) -> None:
    assert dot_products(cpu_info) == expected
