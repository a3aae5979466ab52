"""The tabular example from training on; runs where PyTorch is (`make converters`)."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship import Artifact, Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

WINE = Path(__file__).parents[2] / "functions" / "wine"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose wine model was trained just now, without a model converted."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(
        WINE,
        project / "functions" / "wine",
        ignore=shutil.ignore_patterns("trained", "model", "__pycache__"),
    )
    return project


@pytest.fixture(scope="module")
def said(project: Path) -> str:
    """What `train.py` printed; a warning would have ended it."""
    command = [sys.executable, "-W", "error", "train.py"]
    folder = project / "functions" / "wine"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def result(project: Path, said: str) -> dict[str, Any]:
    """What the conversion, as function.toml asks for it, came to."""
    done = liteship(project, "convert", "wine", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def liteship(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "liteship", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def table(project: Path, name: str) -> list[list[str]]:
    with (project / "functions" / "wine" / "trained" / name).open(encoding="utf-8") as file:
        return list(csv.reader(file))


def body(*rows: Sequence[str]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


def test_the_held_out_wines_are_told(said: str) -> None:
    (accuracy,) = re.findall(r"held-out accuracy ([\d.]+) on 54 wines", said)
    assert float(accuracy) >= 0.94


def test_the_same_training_gives_the_same_program(project: Path, said: str) -> None:
    folder = project / "functions" / "wine"
    written = (folder / "trained" / "wine.pt2").read_bytes()
    subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, check=True)
    assert (folder / "trained" / "wine.pt2").read_bytes() == written


def test_the_tables_are_in_raw_units(project: Path, said: str) -> None:
    calibration, evaluation = table(project, "calibration.csv"), table(project, "evaluation.csv")
    assert (len(calibration), len(evaluation)) == (125, 55)
    assert evaluation[0] == [*calibration[0], "label"]
    assert len(calibration[0]) == 13
    proline = calibration[0].index("proline")
    assert all(200 < float(row[proline]) < 2000 for row in calibration[1:])
    assert {row[-1] for row in evaluation[1:]} == {"0", "1", "2"}


def test_the_conversion_keeps_the_accuracy(project: Path, result: dict[str, Any]) -> None:
    assert result["scheme"] == "int8"
    assert result["accuracy"]["artifact"] >= result["accuracy"]["source"] - 0.01
    artifact = Artifact.load(project / "functions" / "wine" / "model")
    (spec,) = artifact.manifest.inputs
    assert (spec.name, spec.dtype, spec.item_shape) == ("measurements", "float32", (1, 13))
    assert len(artifact.model) < result["float_tflite_bytes"]


def test_the_evaluation_rows_are_requests(project: Path, result: dict[str, Any]) -> None:
    """Sent as CSV, with and without the header, and as JSON: they are as right as was stated."""
    predictor = Predictor.load(project / "functions" / "wine" / "model")
    labels = predictor.manifest.postprocessing.labels
    (*names, _), *rows = table(project, "evaluation.csv")
    right = 0
    for *cells, label in rows:
        as_json = json.dumps({"inputs": {"measurements": [float(cell) for cell in cells]}}).encode()
        answers = [
            predictor.predict(body(names, cells), "text/csv").fields,
            predictor.predict(body(cells), "text/csv").fields,
            predictor.predict(as_json, "application/json").fields,
        ]
        assert answers[0] == answers[1] == answers[2]
        best: Any = answers[0]["predictions"]
        right += best[0]["label"] == labels[int(label)]
    assert right / len(rows) == pytest.approx(result["accuracy"]["artifact"], abs=1e-6)


def test_the_requests_beside_it_are_answered(project: Path, result: dict[str, Any]) -> None:
    trained = project / "functions" / "wine" / "trained"
    answers = [
        liteship(project, "predict", "wine", str(trained / name), "--json")
        for name in ("request.csv", "request.json")
    ]
    assert [each.returncode for each in answers] == [0, 0], answers
    assert answers[0].stdout == answers[1].stdout
