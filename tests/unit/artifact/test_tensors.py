from __future__ import annotations

import pytest

from liteship.artifact import TensorSpec
from liteship.quantization import ITEM_BYTES


def test_open_dimensions_count_as_one() -> None:
    spec = TensorSpec("image", "int16", [-1, 8, 6, 3], 0.5, 3)
    assert spec.shape == (-1, 8, 6, 3)
    assert spec.item_shape == (1, 8, 6, 3)
    assert spec.elements == 8 * 6 * 3
    assert spec.size_bytes == 8 * 6 * 3 * 2


def test_a_scalar_holds_one_element() -> None:
    spec = TensorSpec("x", "float32", [])
    assert (spec.elements, spec.size_bytes, spec.item_shape) == (1, 4, ())


@pytest.mark.parametrize("dtype", ITEM_BYTES)
def test_only_some_dtypes_can_be_quantized(dtype: str) -> None:
    assert TensorSpec("x", dtype, [1], 0.5).is_quantized == (dtype in {"int8", "uint8", "int16"})
    assert not TensorSpec("x", dtype, [1]).is_quantized


def test_reads_as_a_person_writes_it() -> None:
    spec = TensorSpec("image", "int8", [-1, 8, 8, 1], 0.5, 3)
    assert str(spec) == "image int8 [?×8×8×1]"
    assert "image int8" in repr(spec)


def test_equality_is_that_of_every_field() -> None:
    fields = {"name": "a", "dtype": "int8", "shape": [1], "scale": 0.5, "zero_point": 3}
    spec = TensorSpec(**fields)  # type: ignore[arg-type]
    assert spec == TensorSpec(**fields)  # type: ignore[arg-type]
    others = {"name": "b", "dtype": "uint8", "shape": [2], "scale": 0.25, "zero_point": 4}
    for key, value in others.items():
        assert spec != TensorSpec(**(fields | {key: value}))  # type: ignore[arg-type]
    assert spec != "a int8 [1]"
