"""Clustering rewrites weights in place: everything else of the file stays."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liteship import Artifact
from liteship.conversion.shrinking.clustering import LEAST_ELEMENTS, cluster_int8
from liteship.conversion.shrinking.weights import constant_tensors
from liteship.errors import ConversionError
from liteship.runtime.interpreter import create_interpreter

MODELS = Path(__file__).parents[3] / "data" / "models"


@pytest.fixture(scope="module")
def model(artifact_folder: Path) -> bytes:
    """The digits model, which is clustered, with weights that are a little off: no longer clustered."""
    content = bytearray(Artifact.load(artifact_folder).model)
    rng = np.random.default_rng(13)
    for tensor in constant_tensors(content):
        if tensor.dtype == "int8" and tensor.data.size >= LEAST_ELEMENTS:
            values = tensor.data.view(np.int8)
            off = rng.integers(-3, 4, values.size).reshape(values.shape)
            moved = (values + off).clip(-127, 127)
            values[:] = np.where((values != 0) & (values * moved > 0), moved, values)
    return bytes(content)


def weights(model: bytes) -> dict[str, Any]:
    return {
        tensor.name: tensor.data.view(tensor.dtype).copy()
        for tensor in constant_tensors(bytearray(model))
    }


@pytest.mark.parametrize("clusters", [2, 8, 16, 64])
def test_each_weight_tensor_has_so_many_values_at_most(model: bytes, clusters: int) -> None:
    before, after = weights(model), weights(cluster_int8(model, clusters))
    assert before.keys() == after.keys()
    clustered = 0
    for name, values in after.items():
        if values.size < LEAST_ELEMENTS:
            assert np.array_equal(values, before[name])
            continue
        clustered += 1
        assert len(np.unique(values)) <= clusters
        assert not values[before[name] == 0].any()
        # 0 has its neighbours with it; nothing crosses zero
        assert (values.astype(int) * before[name] >= 0).all()
    assert clustered == 3


def test_every_other_byte_stays(model: bytes) -> None:
    result = cluster_int8(model, 16)
    assert len(result) == len(model)
    changed = np.frombuffer(result, np.uint8) != np.frombuffer(model, np.uint8)
    marked = bytearray(model)
    for tensor in constant_tensors(marked):
        if tensor.dtype == "int8" and tensor.data.size >= LEAST_ELEMENTS:
            tensor.data[:] = ~tensor.data
    weight_bytes = np.frombuffer(marked, np.uint8) != np.frombuffer(model, np.uint8)
    assert changed.any()
    assert not (changed & ~weight_bytes).any()


def test_the_model_given_is_not_written_to(model: bytes) -> None:
    copy = bytes(bytearray(model))
    cluster_int8(model, 2)
    assert model == copy


def test_fewer_values_compress_better_and_answer_alike(model: bytes, artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    sizes, steps = [], []
    for clusters in (64, 32, 16, 8):
        clustered = cluster_int8(model, clusters)
        sizes.append(len(zlib.compress(clustered, 9)))
        interpreter = create_interpreter(clustered)
        (spec,), (output,) = interpreter.inputs.values(), interpreter.outputs.values()
        answer = interpreter.invoke({spec.name: artifact.golden_inputs[0]})[output.name]
        expected = np.frombuffer(artifact.manifest.golden.outputs[0], np.int8).astype(int)
        steps.append(np.abs(np.frombuffer(answer, np.int8) - expected).max())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.9 * len(zlib.compress(model, 9))
    assert max(steps[:3]) < 40  # of 255


def test_the_same_model_gives_the_same_bytes_and_again_no_other(model: bytes) -> None:
    once = cluster_int8(model, 16)
    assert cluster_int8(model, 16) == once
    assert cluster_int8(once, 16) == once


@pytest.mark.parametrize("clusters", [-1, 0, 1, 257])
def test_a_number_of_clusters_that_is_none_is_refused(model: bytes, clusters: int) -> None:
    with pytest.raises(ConversionError) as raised:
        cluster_int8(model, clusters)
    assert raised.value.reference == "clusters-invalid"


def test_a_model_without_int8_weights_is_refused() -> None:
    with pytest.raises(ConversionError) as raised:
        cluster_int8((MODELS / "pair-float32.tflite").read_bytes(), 16)
    assert raised.value.reference == "nothing-to-cluster"
