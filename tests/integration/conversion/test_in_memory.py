"""`liteship.convert` with models in memory; the conversion itself runs in its children as ever."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import liteship
from liteship import Artifact
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
import liteship

output, kind = sys.argv[1:]
rows = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)


class Halved(keras.layers.Layer):  # a class that no other process knows
    def call(self, inputs):
        return inputs / 2


if kind == "module":
    class Module(tf.Module):
        def __init__(self):
            self.weights = tf.Variable(tf.random.normal((4, 3)))

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="row")])
        def __call__(self, row):
            return {"scores": tf.nn.softmax(row @ self.weights)}

    model = Module()
else:
    middle = [Halved()] if kind == "custom" else []
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((4,), name="row"), *middle, dense])
answers = np.array(model(rows)["scores"] if kind == "module" else model(rows))
result = liteship.convert(
    model,
    output,
    calibration={"row": rows},
    evaluation={"row": rows, "label": answers.argmax(axis=-1)},
    labels=["a", "b", "c"],
    max_drop=0.1,
)
assert result.accuracy.source == 1
print(result.manifest.scheme)
"""


@pytest.mark.parametrize("kind", ["keras", "custom", "module"])
def test_a_model_in_memory_is_converted_and_measured(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "model", kind],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "int8"
    manifest = Artifact.load(tmp_path / "model").manifest
    assert [spec.name for spec in manifest.inputs] == ["row"]
    assert manifest.postprocessing.labels == ("a", "b", "c")
    assert (tmp_path / "model-report" / "report.html").is_file()


def test_a_path_is_converted_too(sources: Path, tmp_path: Path) -> None:
    result = liteship.convert(
        sources / "pair.tflite",
        tmp_path / "model",
        calibration=sources / "pair-calibration.npz",
        evaluation=sources / "pair-evaluation.npz",
        max_drop=0.2,
    )
    assert result.accuracy is not None
    assert Artifact.load(tmp_path / "model").manifest.name == "model"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceModelError) as raised:
        liteship.convert(object(), tmp_path / "model", calibration={"x": np.zeros((3, 2), np.float32)})
    assert raised.value.reference == "model-unknown"
    assert "builtins.object" in raised.value.message
