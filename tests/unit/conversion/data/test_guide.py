"""The examples of docs/guides/calibration-data.md are run, and what they write is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import load_calibration, load_evaluation

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "calibration-data.md"
DIGIT = (TensorSpec("image", "float32", [-1, 8, 8, 1]),)
GREY = Preprocessing("image", "L", mean=[0.0], std=[255.0])


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    return blocks


def test_arrays(examples: list[str]) -> None:
    exec(examples[0], {})  # noqa: S102
    assert load_calibration("calibration.npz", DIGIT, GREY)["image"].shape == (200, 8, 8, 1)
    assert len(load_evaluation("evaluation.npz", DIGIT, GREY).labels) == 100


def test_pictures(examples: list[str]) -> None:
    exec(examples[1], {})  # noqa: S102
    assert load_calibration("pictures", DIGIT, GREY)["image"].shape == (10, 8, 8, 1)
    labels = load_evaluation("pictures", DIGIT, GREY, labels=["dog", "cat"]).labels
    assert labels.tolist() == [1] * 5 + [0] * 5


def test_tables(examples: list[str]) -> None:
    exec(examples[2], {})  # noqa: S102
    spec = TensorSpec("measurements", "float32", [-1, 3])
    rows = load_evaluation("wine.csv", [spec], Preprocessing("tensor"), labels=["Barolo", "Grignolino"])
    assert rows.labels.tolist() == [0, 1]
    assert load_calibration("wine.csv", [spec], Preprocessing("tensor"))["measurements"].shape == (2, 3)


def test_batches(examples: list[str]) -> None:
    Path("batches.py").write_text(examples[3])
    evaluation = load_evaluation("batches:evaluation", DIGIT, GREY, samples=50)
    assert len(evaluation.labels) == len(evaluation.inputs["image"]) == 50
