from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils

from liteship.conversion.layers import layer_errors
from liteship.conversion.report.parts import LayerError
from liteship.errors import ConversionError
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS = Path(__file__).parents[2] / "data" / "models"
CONVOLUTIONS = ["CONV_2D", "MAX_POOL_2D", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"]
CONV = [*CONVOLUTIONS, "SOFTMAX"]
DENSE = ["FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
DEPTHWISE = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"]


def content(name: str) -> bytes:
    return (MODELS / f"{name}.tflite").read_bytes()


def samples(name: str, count: int = 4) -> dict[str, NDArray[Any]]:
    """Values as the corpus was calibrated with."""
    rng = np.random.default_rng(9)
    found: dict[str, NDArray[Any]] = {}
    for spec in create_interpreter(content(name)).inputs.values():
        shape = (count, *spec.item_shape[1:])
        whole = rng.integers(0, 7, shape).astype(spec.dtype)
        found[spec.name] = rng.uniform(-1, 1, shape).astype("float32") if "f" in spec.dtype else whole
    return found


def errors(reference: str, candidate: str, count: int = 4) -> list[LayerError]:
    return layer_errors(content(reference), content(candidate), samples(reference, count))


@pytest.mark.parametrize(
    ("reference", "candidate", "operators"),
    [
        ("depthwise-float32", "depthwise-int8", DEPTHWISE),
        ("depthwise-float32", "quantizer-depthwise-int8", DEPTHWISE),
        ("conv-float32", "conv-int8", CONV),
        ("conv-float32", "conv-int8-uint8-io", CONV),
        ("conv-float32", "conv-int8-float-io", CONV),
        ("conv-float32", "conv-int16x8", CONV),
        ("dense-float32", "quantizer-dense-int8", DENSE),
        ("no-signature-float32", "no-signature-int8", DENSE),
    ],
)
def test_every_operator_of_a_quantized_model_is_a_little_off(
    reference: str, candidate: str, operators: list[str]
) -> None:
    found = errors(reference, candidate)
    assert [each.operator for each in found] == operators
    for each in found:
        assert each.dtype in {"int8", "int16"}
        assert not each.in_float
        assert 0 < (each.relative_error or 0) < 0.02
        assert 35 < (each.sqnr_db or 0) < 80


def test_integers_between_float_results_are_left_out() -> None:
    found = errors("pair-float32", "pair-int8")
    assert [each.operator for each in found] == [
        "CONV_2D",
        "MEAN",
        "GATHER",
        "CONCATENATION",
        "FULLY_CONNECTED",
        "LOGISTIC",
    ]


def test_a_model_is_not_off_from_itself() -> None:
    for each in errors("conv-float32", "conv-float32"):
        assert (each.rmse, each.relative_error, each.sqnr_db) == (0, 0, None)
        assert (each.in_float, each.dtype) == (True, "float32")


def test_float16_weights_are_found_by_place_where_names_mean_another_tensor() -> None:
    found = errors("conv-float32", "conv-float16")
    assert [each.operator for each in found] == CONV
    assert all(0 < (each.relative_error or 0) < 0.001 and each.in_float for each in found)


def test_integer_weights_keep_an_operator_from_being_float() -> None:
    found = errors("depthwise-float32", "quantizer-depthwise-dynamic")
    assert {each.operator for each in found if each.in_float} == {"ADD", "MEAN"}
    assert {each.dtype for each in found} == {"float32"}


def test_one_scale_for_a_depthwise_convolution_shows_at_that_layer() -> None:
    """Every runtime reads such scales beyond their end."""
    found = errors("depthwise-float32", "trap-depthwise-one-scale")
    worst = max(found, key=lambda each: each.relative_error or 0)
    assert worst.operator == "DEPTHWISE_CONV_2D"


def test_where_the_structure_differs_kind_and_name_decide() -> None:
    """The quantized model ends before its softmax, and one result's name has the quantizer's suffix."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(content("conv-int8")))
    subgraph = graph.subgraphs[0]
    subgraph.operators.pop()
    subgraph.outputs = list(subgraph.operators[-1].outputs)
    graph.signatureDefs[0].outputs[0].tensorIndex = subgraph.outputs[0]
    pooled = subgraph.tensors[subgraph.operators[1].outputs[0]]
    assert pooled.name == b"MaxPool2d"
    pooled.name += b"_quantized"
    shorter = bytes(flatbuffer_utils.convert_object_to_bytearray(graph))
    given = samples("conv-float32")
    found = layer_errors(content("conv-float32"), shorter, given)
    assert found == layer_errors(content("conv-float32"), content("conv-int8"), given)[:-1]
    assert errors("dense-float32", "scalar-float32") == []


def test_no_more_samples_than_the_limit_are_run() -> None:
    given = samples("dense-float32", 6)
    reference, candidate = content("dense-float32"), content("dense-int8")
    two = layer_errors(reference, candidate, {name: each[:2] for name, each in given.items()})
    assert layer_errors(reference, candidate, given, limit=2) == two
    assert layer_errors(reference, candidate, given) != two


def test_the_last_error_is_the_one_that_deployed_outputs_have() -> None:
    """Against LiteRT's C API, which serves deployed models."""
    given = samples("dense-float32", 16)["features"]
    before, after = answers("dense-float32", given), answers("dense-int8", given)
    last = errors("dense-float32", "dense-int8", 16)[-1]
    rmse = np.sqrt(np.square(after - before).mean())
    assert last.rmse == pytest.approx(rmse, rel=0.001)
    assert last.relative_error == pytest.approx(rmse / before.std(), rel=0.001)
    ratio = np.square(before).mean() / np.square(after - before).mean()
    assert last.sqnr_db == pytest.approx(10 * np.log10(ratio), abs=0.01)


def answers(name: str, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Real outputs, one row a sample."""
    interpreter = create_interpreter(content(name))
    (taken,), (given,) = interpreter.inputs.values(), interpreter.outputs.values()
    found = []
    for row in rows:
        steps = row
        if taken.is_quantized:
            whole = np.rint(row / taken.scale) + taken.zero_point
            steps = whole.clip(-128, 127).astype(np.int8)
        data = interpreter.invoke({taken.name: steps.tobytes()})[given.name]
        values = np.frombuffer(data, given.dtype).astype(np.float64)
        found.append((values - given.zero_point) * given.scale if given.is_quantized else values)
    return np.stack(found)


@pytest.mark.parametrize("broken", [b"", b"no model at all", "conv-int8"])
def test_what_litert_cannot_run_is_an_error_with_a_reference(broken: bytes | str) -> None:
    model = content(broken)[:3000] if isinstance(broken, str) else broken
    with pytest.raises(ConversionError) as raised:
        layer_errors(content("conv-float32"), model, samples("conv-float32"))
    assert raised.value.reference == "layers-not-measured"


def test_an_item_goes_through_json() -> None:
    for each in errors("dense-float32", "dense-int8"):
        assert LayerError.from_dict(json.loads(json.dumps(each.as_dict()))) == each
