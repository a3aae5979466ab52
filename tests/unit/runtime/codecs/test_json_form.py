from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from liteship.artifact import Preprocessing, TensorSpec
from liteship.errors import InputError
from liteship.quantization import INTEGER_RANGE, TYPECODES
from liteship.runtime.codecs.image import decode_image
from liteship.runtime.codecs.json_form import decode_json, encode_tensor, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

PIXELS = 10_000


@pytest.fixture
def pair(manifest_of: ManifestOf) -> Manifest:
    """Takes two inputs."""
    return manifest_of(TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1, 1]))


@pytest.fixture
def picture_model(manifest_of: ManifestOf) -> Manifest:
    """Takes 2 × 2 grey pixels as they are, or as real numbers."""
    spec = TensorSpec("image", "uint8", [-1, 2, 2, 1], 1.0, 0)
    return manifest_of(spec, preprocessing=Preprocessing("image", "L", mean=[0.0], std=[1.0]))


def reference(manifest: Manifest, body: bytes | str) -> str:
    with pytest.raises(InputError) as raised:
        decode_json(body.encode() if isinstance(body, str) else body, manifest, PIXELS)
    return raised.value.reference


def test_each_input_by_name(pair: Manifest) -> None:
    received = decode_json(b'{"inputs": {"b": [[7]], "a": [[1, 2.5]]}}', pair, PIXELS)
    assert received == {"a": struct.pack("2f", 1, 2.5), "b": struct.pack("i", 7)}


def test_the_only_input_needs_no_name_and_no_batch(picture_model: Manifest) -> None:
    square = [[[1], [2]], [[3], [4]]]
    for inputs in ({"image": square}, {"image": [square]}, square, [square]):
        body = json.dumps({"inputs": inputs}).encode()
        assert decode_json(body, picture_model, PIXELS) == {"image": bytes([1, 2, 3, 4])}


def test_a_picture_in_base64_is_the_picture(picture_model: Manifest) -> None:
    import io

    buffer = io.BytesIO()
    Image.new("L", (5, 5), 9).save(buffer, "PNG")
    body = json.dumps({"image": {"b64": base64.b64encode(buffer.getvalue()).decode()}}).encode()
    assert decode_json(body, picture_model, PIXELS) == decode_image(
        buffer.getvalue(), picture_model, PIXELS
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"{'inputs': 1}",
        b'{"inputs": 1} trailing',
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_not_json_is_refused(body: bytes, pair: Manifest) -> None:
    assert reference(pair, body) == "json-invalid"


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        "[1, 2]",
        '"text"',
        "{}",
        '{"instances": [1]}',
        '{"inputs": [1], "image": {"b64": ""}}',
    ],
)
def test_json_of_another_form_is_refused(body: str, pair: Manifest) -> None:
    assert reference(pair, body) == "json-form"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e39"])
def test_only_finite_numbers_of_the_dtype(text: str, pair: Manifest) -> None:
    body = f'{{"inputs": {{"a": [[1, {text}]], "b": [[7]]}}}}'
    assert reference(pair, body) == "json-not-finite"


@pytest.mark.parametrize(
    "inputs", ['{"a": [[1, 2]]}', "{}", "[[1, 2]]", '{"a": 1, "b": 2, "c": 3}', "5", "null"]
)
def test_every_input_is_named_and_no_other(inputs: str, pair: Manifest) -> None:
    assert reference(pair, f'{{"inputs": {inputs}}}') == "tensor-names"


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "[]",
        "[[]]",
        "[1]",
        "[1, 2, 3]",
        "[[1, 2], [3, 4]]",
        "[[[1, 2]]]",
        "[[1, 2], 3]",
        "[[1], [2, 3]]",
        "[1, [2]]",
        "[" * 400 + "]" * 400,
    ],
)
def test_another_shape_is_refused(value: str, pair: Manifest) -> None:
    body = f'{{"inputs": {{"a": {value}, "b": [[7]]}}}}'
    # lists among numbers have no shape at all: they are refused as elements
    assert reference(pair, body) in {"tensor-shape", "tensor-value"}


@pytest.mark.parametrize("element", ['"1"', "true", "null", "{}", '{"b64": "x"}', "[]"])
def test_only_numbers_are_elements(element: str, pair: Manifest) -> None:
    body = f'{{"inputs": {{"a": [[1, {element}]], "b": [[7]]}}}}'
    assert reference(pair, body) == "tensor-value"


def test_a_boolean_is_an_element_of_a_bool_tensor(manifest_of: ManifestOf) -> None:
    manifest = manifest_of(TensorSpec("x", "bool", [1, 3]))
    assert decode_json(b'{"inputs": [true, false, 1]}', manifest, PIXELS) == {"x": b"\1\0\1"}
    assert reference(manifest, '{"inputs": [true, false, 2]}') == "tensor-value"


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.5, 10**30])
def test_an_integer_tensor_takes_integers_of_its_range(number: float, pair: Manifest) -> None:
    body = json.dumps({"inputs": {"a": [[1, 2]], "b": [[number]]}})
    assert reference(pair, body) == "tensor-value"


@pytest.mark.parametrize(
    "image", ["5", "null", "{}", '{"b64": 5}', '{"b64": ""}', '{"b64": "!!!"}', '{"b64": "a"}', '"x"']
)
def test_a_picture_that_is_not_base64_is_refused(image: str, picture_model: Manifest) -> None:
    assert reference(picture_model, f'{{"image": {image}}}') == "base64-invalid"


def test_base64_that_is_not_a_picture_is_refused(picture_model: Manifest) -> None:
    assert reference(picture_model, '{"image": {"b64": "aGVsbG8="}}') == "image-format"


def test_a_model_of_tensors_takes_no_picture(pair: Manifest) -> None:
    assert reference(pair, '{"image": {"b64": "aGVsbG8="}}') == "json-form"


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


@pytest.mark.parametrize(
    "body", ['{"inputs": 1, "inputs": 1}', '{"inputs": {"a": 1, "b": 2, "a": 1}}', '[{"": 1, "": 2}]']
)
def test_a_key_twice(body: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_json(body.encode())
    assert raised.value.reference == "json-duplicate"


def test_a_message_tells_nothing_of_what_is_deep(pair: Manifest) -> None:
    deep = "[" * 900 + "]" * 900
    body = f'{{"inputs": {{"a": [[1, {deep}]], "b": [[1]]}}}}'
    assert reference(pair, body) == "tensor-value"
