"""`liteship bench`, on a function that is small enough to be measured here."""

from __future__ import annotations

import tomllib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.command_line import command_lines
from tests.corpus import MODELS, function_of

from liteship import Artifact
from liteship.cli import bench
from liteship.cli.bench import best_threads
from liteship.conversion.speed import Candidate, Cost, measure_costs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import Run

TOML = """name = "conv"
version = "1"
model = {{ source = "{source}", calibration = "calibration.npz" }}
input = {{ kind = "tensor" }}
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs: no figure is looked at."""
    monkeypatch.setattr(bench, "ITEMS", (2, 8))
    monkeypatch.setattr(bench, "measure_costs", partial(measure_costs, rounds=2, block_s=0))


@pytest.fixture
def liteship(
    repository_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    yield from command_lines(repository_folder.parents[1], monkeypatch, capsys, "bench", "digits")


def test_it_prints_candidates_and_leaves_everything_as_it_is(
    liteship: Run, repository_folder: Path
) -> None:
    path = repository_folder / "function.toml"
    before = path.read_text()
    done = liteship()
    assert done.code == 0, done.errors
    for word in ("int8", "threads", "items", "runtime.threads = ", "runtime.batching = ", "8-bit"):
        assert word in done.output
    assert path.read_text() == before


def test_json_holds_every_candidate_and_write_records_the_choice(
    liteship: Run, repository_folder: Path
) -> None:
    done = liteship("--write", "--json")
    assert done.code == 0, done.errors
    found = done.json
    assert found["function"] == "digits"
    assert found["written"] is True
    assert found["float32"] is None  # its source is a Keras model
    pairs = [(each["threads"], each["items"]) for each in found["candidates"]]
    assert [pair for pair in pairs if pair[0] == 1] == [(1, 1), (1, 2), (1, 8)]
    assert all(each["exact"] and each["cpu_ms"] > 0 for each in found["candidates"])
    path = repository_folder / "function.toml"
    runtime = tomllib.loads(path.read_text())["runtime"]
    assert {key: runtime[key] for key in ("threads", "batching")} == found["recommended"]


@pytest.mark.parametrize(
    ("source", "is_measured"),
    [("conv-float32", True), ("dense-float32", False), ("missing", False)],
)
def test_a_source_that_is_the_float_model_is_measured_beside_it(
    source: str,
    is_measured: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "functions" / "conv"
    function_of("conv-int8", folder)
    artifact = Artifact.load(folder / "model")
    artifact.manifest.scheme = "int8"
    artifact.save(folder / "model")
    (folder / "function.toml").write_text(TOML.format(source=MODELS / f"{source}.tflite"))
    for liteship in command_lines(tmp_path, monkeypatch, capsys, "bench", "conv"):
        found = liteship("--json").json
        assert (found["float32"] is not None) == is_measured
        assert ("│ float32 │" in liteship().output) == is_measured


def threaded(threads: int, wall_ms: float, *, is_exact: bool = True) -> Cost:
    candidate = Candidate(threads=threads)
    return Cost(candidate=candidate, cpu_ms=(1.0,), wall_ms=(wall_ms,), is_exact=is_exact)


@pytest.mark.parametrize(
    ("costs", "memory_mib", "expected"),
    [
        ([threaded(1, 1.0)], 10_240, 1),
        ([threaded(1, 1.0), threaded(2, 0.6)], 10_240, 2),
        ([threaded(1, 1.0), threaded(2, 0.6)], 3_537, 1),  # less than two CPUs
        ([threaded(1, 1.0), threaded(2, 0.8)], 10_240, 1),
        ([threaded(1, 1.0), threaded(2, 0.6), threaded(4, 0.4)], 10_240, 4),
        ([threaded(1, 1.0), threaded(2, 0.6, is_exact=False)], 10_240, 1),
    ],
)
def test_threads_are_for_a_clear_gain_on_cpus_that_lambda_gives(
    costs: list[Cost], memory_mib: int, expected: int
) -> None:
    assert best_threads(costs, memory_mib) == expected
