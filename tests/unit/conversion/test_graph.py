from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from liteship.conversion.graph import float_tensors, has_loops, operators, type_unread_outputs

MODELS = Path(__file__).parents[2] / "data" / "models"


def model(name: str) -> bytes:
    return (MODELS / f"{name}.tflite").read_bytes()


def test_operators_are_told_in_the_order_of_their_execution() -> None:
    found = operators(model("conv-float32"))
    kinds = [each.kind for each in found]
    assert kinds[0] == "CONV_2D"
    assert kinds[-1] == "SOFTMAX"
    assert "FULLY_CONNECTED" in kinds
    assert all(each.scope.startswith(each.output) and each.scope.endswith(";") for each in found)
    assert len({each.scope for each in found}) == len(found)
    weights = sum(each.weights_bytes for each in found)
    assert 0.5 * len(model("conv-float32")) < weights < len(model("conv-float32"))


@pytest.mark.parametrize(
    ("name", "has_floats"),
    [
        ("quantizer-dense-int8", False),
        ("conv-int8", False),
        ("conv-int8-float-io", False),
        ("conv-dynamic", True),
        ("conv-float32", True),
    ],
)
def test_floats_inside_a_model_are_found_those_at_its_boundary_are_not(
    name: str, has_floats: bool
) -> None:
    assert bool(float_tensors(model(name))) == has_floats


def test_a_model_without_loops_has_none() -> None:
    assert not has_loops(model("conv-float32"))


def test_an_output_that_nobody_reads_gets_the_type_of_its_neighbours() -> None:
    """As the quantizer leaves it: one output in float beside a quantized one."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model("conv-int8")))
    subgraph = graph.subgraphs[0]
    first = subgraph.operators[0]
    unread = schema.TensorT()
    unread.name, unread.type, unread.shape = b"unread", schema.TensorType.FLOAT32, [1, 8]
    subgraph.tensors.append(unread)
    first.outputs = [*map(int, first.outputs), len(subgraph.tensors) - 1]
    damaged = bytes(flatbuffer_utils.convert_object_to_bytearray(graph))
    assert any("unread" in each for each in float_tensors(damaged))
    mended = type_unread_outputs(damaged)
    assert float_tensors(mended) == []
    assert type_unread_outputs(mended) == mended
    assert type_unread_outputs(model("conv-dynamic")) == model("conv-dynamic")
