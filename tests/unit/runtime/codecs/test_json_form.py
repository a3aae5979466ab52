from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import TensorSpec
from liteship.errors import InputError, PayloadTooLargeError
from liteship.quantization import INTEGER_RANGE, TYPECODES
from liteship.runtime.codecs.json_form import (
    encode_items,
    encode_tensor,
    most_values,
    parse_json,
    parse_tensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]


def test_random_tensors_arrive_as_numpy_would_write_them() -> None:
    rng = np.random.default_rng(31)
    for dtype in TYPECODES:
        for rank in range(4):
            shape = tuple(int(size) for size in rng.integers(1, 5, rank))
            spec = TensorSpec("x", dtype, (-1, *shape))
            values = random_values(rng, dtype, shape)
            for value in (values.tolist(), [values.tolist()]):
                assert encode_tensor(value, spec) == values.tobytes(), (dtype, shape)


def test_random_real_numbers_are_quantized_as_numpy_would() -> None:
    rng = np.random.default_rng(32)
    for dtype, (least, greatest) in INTEGER_RANGE.items():
        spec = TensorSpec("x", dtype, [1, 50], float(rng.uniform(0.01, 1)), 5)
        values = rng.normal(0, spec.scale * 100, 50)
        steps = np.rint(values / spec.scale) + spec.zero_point
        expected = steps.clip(least, greatest).astype(dtype)
        assert encode_tensor(values.tolist(), spec) == expected.tobytes()


def random_values(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Any:
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def test_parses_what_json_has() -> None:
    assert parse_json('{"é": [1, 2.5, null, true]}'.encode()) == {"é": [1, 2.5, None, True]}
    assert parse_json(b'\xef\xbb\xbf{"a": {"a": 1e99}}') == {"a": {"a": 1e99}}


@pytest.mark.parametrize(
    "text",
    ["1e309", "-1E+309", "1e0400", "9" * 250 + "e99", "9" * 400 + ".5"],
)
def test_reals_beyond_float64_are_refused(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_json(f'{{"id": [{text}]}}'.encode())
    assert raised.value.reference == "json-not-finite"


@pytest.mark.parametrize("text", ["1e308", "9" * 308, "1e-400", "0." + "9" * 5000, '"1e999"'])
def test_what_only_looks_large_is_read(text: str) -> None:
    assert parse_json(f"[{text}]".encode()) is not None


@pytest.mark.parametrize("body", [b'{"a": 1, "b": 2, "a": 1}', b'[{"x": {"a": 1, "\\u0061": 2}}]'])
def test_a_key_that_comes_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InputError) as raised:
        parse_json(body)
    assert (raised.value.reference, raised.value.received) == ("json-duplicate", "a")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 9_000 + b"]" * 9_000, b"9" * 5_000]
)
def test_what_python_cannot_hold_is_refused(body: bytes) -> None:
    with pytest.raises(InputError) as raised:
        parse_json(body)
    assert raised.value.reference == "json-invalid"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_json_is_utf_8(encoding: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_json('"é"'.encode(encoding))
    assert raised.value.reference == "json-invalid"


def test_values_are_counted_before_they_are_parsed(manifest_of: ManifestOf) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 8, 8, 1]), TensorSpec("y", "int8", [-1]))
    most = most_values(manifest, 100)
    item = np.zeros((8, 8, 1)).tolist()
    rows = str([{"x": item, "y": 1}] * 100).replace("'", '"').encode()
    columns = f'{{"inputs": {{"x": {[item] * 100}, "y": {[1] * 100}}}}}'.encode()
    for body in (rows, columns):
        assert parse_tensors(body, (), manifest, 100)
        assert most < sum(map(body.count, (b",", b"[", b"{"))) * 2
    with pytest.raises(PayloadTooLargeError) as raised:
        parse_tensors(b"[" + b"[]," * most, (), manifest, 100)
    assert raised.value.reference == "json-too-long"


def test_items_of_random_batches_arrive_as_numpy_would_write_them() -> None:
    rng = np.random.default_rng(33)
    for dtype in TYPECODES:
        for rank in range(4):
            shape = tuple(int(size) for size in rng.integers(1, 5, rank))
            spec = TensorSpec("x", dtype, (-1, *shape))
            values = random_values(rng, dtype, (int(rng.integers(1, 6)), *shape))
            assert encode_items(values.tolist(), spec) == [item.tobytes() for item in values]
            assert encode_items(values[0].tolist(), spec) == [values[0].tobytes()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "batch-empty"),
        ([[]], "tensor-shape"),
        ([[1, 2], [[3, 4]]], "tensor-shape"),
        ([[[1, 2]], [[3, 4]]], "tensor-shape"),
        ([1, [2, 3]], "tensor-value"),
        ([[1, 2], None], "tensor-shape"),
        ("12", "tensor-shape"),
    ],
)
def test_items_of_another_shape_are_refused(value: object, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        encode_items(value, TensorSpec("x", "float32", [-1, 2]))
    assert raised.value.reference == expected


@pytest.mark.parametrize("shape", [[2, 3], [3], [2, 1]])
def test_only_a_first_dimension_of_one_may_be_left_out(shape: list[int]) -> None:
    spec = TensorSpec("x", "float32", shape)
    values = np.arange(spec.elements, dtype=np.float32).reshape(shape)
    assert encode_tensor(values.tolist(), spec) == values.tobytes()
    with pytest.raises(InputError) as caught:
        encode_tensor(values[0].tolist(), spec)
    assert caught.value.reference == "tensor-shape"
    one = TensorSpec("x", "float32", [1, *shape])
    assert encode_tensor(values.tolist(), one) == values.tobytes()
