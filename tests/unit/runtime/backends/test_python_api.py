from __future__ import annotations

import struct
from pathlib import Path

import pytest

from liteship.errors import ArtifactError
from liteship.runtime.backends.python_api import PythonInterpreter

MODELS = Path(__file__).parents[3] / "data" / "models"


def _load(name: str) -> PythonInterpreter:
    return PythonInterpreter((MODELS / f"{name}.tflite").read_bytes(), "litert")


def test_a_dtype_that_liteship_does_not_serve_is_refused_when_loaded() -> None:
    with pytest.raises(ArtifactError) as caught:
        _load("unserved-float16-input")
    assert caught.value.reference == "model-refused"
    assert "float32" in str(caught.value.expected)


@pytest.mark.parametrize("positive", [0, 2, 32])
def test_an_output_whose_size_the_values_decide_is_refused_when_run(positive: int) -> None:
    interpreter = _load("unserved-output-size")
    features = struct.pack("<32f", *[1] * positive, *[-1] * (32 - positive))
    with pytest.raises(ArtifactError) as caught:
        interpreter.invoke({"features": features})
    assert caught.value.reference == "model-refused"


def test_a_model_without_a_signature_is_served_by_its_tensors_names() -> None:
    interpreter = _load("no-signature-float32")
    assert list(interpreter.inputs) == ["features"]
    assert list(interpreter.outputs) == ["Identity"]


def test_it_takes_one_item_at_a_time() -> None:
    interpreter = _load("no-signature-float32")
    assert not interpreter.takes_batches
    with pytest.raises(ValueError, match="one item at a time, received 2"):
        interpreter.invoke({"features": bytes(256)}, 2)
