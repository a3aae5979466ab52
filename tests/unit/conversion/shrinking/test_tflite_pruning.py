from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liteship import Artifact
from liteship.conversion.shrinking.tflite_pruning import prune_float_tflite
from liteship.conversion.shrinking.weights import constant_tensors
from liteship.errors import ConfigurationError, SourceModelError
from liteship.runtime.interpreter import create_interpreter

MODELS = Path(__file__).parents[3] / "data" / "models"


def weights(model: bytes) -> list[Any]:
    return [tensor.data.view(tensor.dtype).copy() for tensor in constant_tensors(bytearray(model))]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", ["dense-float32", "conv-float32"])
def test_the_largest_weights_stay_and_all_else_is_as_it_was(name: str, sparsity: float) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    copy = bytes(bytearray(model))
    pruned = prune_float_tflite(model, sparsity)
    assert model == copy
    assert len(pruned) == len(model)
    changed = 0
    for before, after in zip(weights(model), weights(pruned), strict=True):
        gone = before != after
        assert not after[gone].any()
        if gone.any():
            changed += 1
            assert before.size >= 1024
            assert int((after == 0).sum()) == int(np.ceil(before.size * sparsity))
            assert np.abs(before[gone]).max() <= np.abs(after[after != 0]).min()
    assert bool(changed) == bool(sparsity)
    interpreter = create_interpreter(pruned)
    zeros = {
        spec.name: np.zeros(spec.item_shape, spec.dtype).tobytes()
        for spec in interpreter.inputs.values()
    }
    assert interpreter.invoke(zeros)


@pytest.mark.parametrize("name", ["dense-int8", "scalar-float32"])
def test_a_model_without_float_weights_is_refused(name: str) -> None:
    with pytest.raises(SourceModelError) as raised:
        prune_float_tflite((MODELS / f"{name}.tflite").read_bytes(), 0.5)
    assert raised.value.reference == "nothing-to-prune"


def test_a_sparsity_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        prune_float_tflite((MODELS / "dense-float32.tflite").read_bytes(), 1.0)


def test_every_constant_is_found_once_with_who_reads_it(artifact_folder: Path) -> None:
    model = bytearray(Artifact.load(artifact_folder).model)
    tensors = list(constant_tensors(model))
    assert sorted(tensor.data.size for tensor in tensors) == [288, 1440, 18_432, 147_456]
    assert {tensor.dtype for tensor in tensors} == {"int8"}  # the biases are int32
    assert {tensor.zero_point for tensor in tensors} == {0}
    assert all(position == 1 for tensor in tensors for _, position in tensor.readers)
    tensors[0].data[:] = 0  # a view
    assert not next(constant_tensors(model)).data.any()
