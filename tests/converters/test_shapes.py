"""The image classifier from training on: minutes of two processors, so not among the usual tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from liteship import Artifact, Predictor

SHAPES = Path(__file__).parents[2] / "functions" / "shapes"
LABELS = ("circle", "cross", "square", "star", "triangle")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the shapes function alone, without a model."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(
        SHAPES,
        project / "functions" / "shapes",
        ignore=shutil.ignore_patterns("trained", "model", "__pycache__"),
    )
    return project


@pytest.fixture(scope="module")
def said(project: Path) -> str:
    """What `train.py` printed."""
    folder = project / "functions" / "shapes"
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(project: Path, said: str) -> Path:
    """Where it wrote."""
    return project / "functions" / "shapes" / "trained"


@pytest.fixture(scope="module")
def result(project: Path, trained: Path) -> dict[str, Any]:
    """What the conversion, as function.toml asks for it, came to."""
    command = [sys.executable, "-m", "liteship", "convert", "shapes", "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_held_out_pictures_are_recognised(said: str) -> None:
    (accuracy,) = re.findall(r"held-out accuracy ([\d.]+) on 250 pictures", said)
    assert float(accuracy) >= 0.95


def test_the_saved_model_names_its_input(trained: Path) -> None:
    import tensorflow as tf

    signature = tf.saved_model.load(trained / "shapes").signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert {name: tuple(spec.shape) for name, spec in inputs.items()} == {"image": (None, 224, 224, 3)}


@pytest.mark.parametrize(("name", "pictures"), [("calibration", 100), ("evaluation", 250)])
def test_pictures_lie_in_class_folders(trained: Path, name: str, pictures: int) -> None:
    folders = sorted(path.name for path in (trained / name).iterdir())
    assert folders == sorted(LABELS)
    for folder in folders:
        found = list((trained / name / folder).iterdir())
        assert len(found) == pictures / len(LABELS)
        with Image.open(found[0]) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (112, 112))


def test_no_held_out_picture_was_trained_on(trained: Path) -> None:
    with np.load(trained / "training.npz") as training:
        images, classes = training["image"], training["label"]
    assert images.shape == (1500, 112, 112, 3)
    assert images.dtype == np.uint8
    assert np.bincount(classes).tolist() == [300] * 5
    known = {picture.tobytes() for picture in images}
    assert len(known) == 1500
    held_out = [np.asarray(Image.open(path)) for path in (trained / "evaluation").rglob("*.png")]
    assert not known & {picture.tobytes() for picture in held_out}


def test_the_conversion_keeps_the_accuracy(project: Path, result: dict[str, Any]) -> None:
    assert result["scheme"] == "int8"
    assert result["accuracy"]["source"] >= 0.95
    assert result["accuracy"]["artifact"] >= result["accuracy"]["source"] - 0.01
    artifact = Artifact.load(project / "functions" / "shapes" / "model")
    assert 3.9 * len(artifact.model) < result["float_tflite_bytes"]


def test_the_pictures_beside_it_are_answered(
    project: Path, trained: Path, result: dict[str, Any]
) -> None:
    predictor = Predictor.load(project / "functions" / "shapes" / "model")
    paths = sorted((trained / "evaluation").rglob("*.png"))
    right = 0
    for path in paths:
        best: Any = predictor.predict(path.read_bytes(), "image/png").fields["predictions"]
        right += best[0]["label"] == path.parent.name
    assert right / len(paths) == pytest.approx(result["accuracy"]["artifact"], abs=1e-6)
