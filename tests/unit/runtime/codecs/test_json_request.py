from __future__ import annotations

import base64
import io
import json
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from liteship.artifact import Preprocessing, TensorSpec
from liteship.errors import InputError, PayloadTooLargeError
from liteship.runtime.codecs import Listed
from liteship.runtime.codecs.image import decode_image
from liteship.runtime.codecs.json_request import decode_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

PIXELS = 10_000
BATCH = 4


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
        decode_json(body.encode() if isinstance(body, str) else body, manifest, PIXELS, BATCH)
    return raised.value.reference


def test_each_input_by_name(pair: Manifest) -> None:
    (received,) = decode_json(b'{"inputs": {"b": [[7]], "a": [[1, 2.5]]}}', pair, PIXELS, BATCH)
    assert received == {"a": struct.pack("2f", 1, 2.5), "b": struct.pack("i", 7)}


def test_the_only_input_needs_no_name_and_no_batch(picture_model: Manifest) -> None:
    square = [[[1], [2]], [[3], [4]]]
    for inputs in ({"image": square}, {"image": [square]}, square, [square]):
        body = json.dumps({"inputs": inputs}).encode()
        assert decode_json(body, picture_model, PIXELS, BATCH) == [{"image": bytes([1, 2, 3, 4])}]


def test_a_picture_in_base64_is_the_picture(picture_model: Manifest) -> None:
    buffer = io.BytesIO()
    Image.new("L", (5, 5), 9).save(buffer, "PNG")
    body = json.dumps({"image": {"b64": base64.b64encode(buffer.getvalue()).decode()}}).encode()
    received = decode_json(body, picture_model, PIXELS, BATCH)
    assert received == [decode_image(buffer.getvalue(), picture_model, PIXELS)]
    assert not isinstance(received, Listed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"{'inputs': 1}",
        b'{"inputs": 1} trailing',
        b"[" * 1_000,
        b'{"a":' * 1_000,
        b"9" * 5_000,
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
        "[[]]",
        "[1]",
        "[1, 2, 3]",
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
    assert decode_json(b'{"inputs": [true, false, 1]}', manifest, PIXELS, BATCH) == [{"x": b"\1\0\1"}]
    assert reference(manifest, '{"inputs": [true, false, 2]}') == "tensor-value"


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.5, 10**30, 10**4000])
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


def test_a_batch_is_several_items(pair: Manifest) -> None:
    body = b'{"inputs": {"a": [[1, 2], [3, 4], [5, 6]], "b": [[7], [8], [9]]}}'
    received = decode_json(body, pair, PIXELS, BATCH)
    assert received == [
        {"a": struct.pack("2f", 2 * index + 1, 2 * index + 2), "b": struct.pack("i", index + 7)}
        for index in range(3)
    ]
    assert not isinstance(received, Listed)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("[[1, 2], [3, 4]]", "[[7]]", "batch-sizes"),
        ("[]", "[]", "batch-empty"),
        ("[[1, 2]]", "[]", "batch-empty"),
        (str([[1, 2]] * 5), str([[7]] * 5), "batch-too-large"),
    ],
)
def test_a_batch_has_one_size(a: str, b: str, expected: str, pair: Manifest) -> None:
    assert reference(pair, f'{{"inputs": {{"a": {a}, "b": {b}}}}}') == expected


def test_a_model_without_a_batch_takes_its_own_shape(manifest_of: ManifestOf) -> None:
    manifest = manifest_of(TensorSpec("x", "int8", [2, 1]))
    assert decode_json(b'{"inputs": [[1], [2]]}', manifest, PIXELS, BATCH) == [{"x": b"\1\2"}]
    assert reference(manifest, '{"inputs": [[1], [2], [3], [4]]}') == "tensor-shape"


def encoded(size: int = 5, value: int = 9) -> dict[str, str]:
    buffer = io.BytesIO()
    Image.new("L", (size, size), value).save(buffer, "PNG")
    return {"b64": base64.b64encode(buffer.getvalue()).decode()}


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_of_pictures_is_answered_as_a_list(count: int, picture_model: Manifest) -> None:
    pictures = [encoded(value=value) for value in range(count)]
    body = json.dumps({"images": pictures}).encode()
    received = decode_json(body, picture_model, PIXELS, BATCH)
    assert received == [{"image": bytes([value] * 4)} for value in range(count)]
    assert isinstance(received, Listed)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], "batch-empty"),
        ([encoded()] * 5, "batch-too-large"),
        (encoded(), "json-form"),
        ([encoded(), {"b64": "!"}], "base64-invalid"),
        ([encoded(), 5], "base64-invalid"),
        ([encoded(), {"b64": "aGVsbG8="}], "image-format"),
    ],
)
def test_other_lists_of_pictures_are_refused(
    images: object, expected: str, picture_model: Manifest
) -> None:
    assert reference(picture_model, json.dumps({"images": images})) == expected


def test_the_pictures_of_a_request_share_its_pixels(picture_model: Manifest) -> None:
    body = json.dumps({"images": [encoded(10)] * 4}).encode()
    assert len(decode_json(body, picture_model, 400, BATCH)) == 4
    with pytest.raises(PayloadTooLargeError) as raised:
        decode_json(body, picture_model, 399, BATCH)
    assert raised.value.reference == "image-too-large"
    assert raised.value.message.startswith("item 0: ")


@pytest.mark.parametrize(
    "body",
    [
        '{"inputs": {"a": [[1, 2], [3]], "b": [[7], [8]]}}',
        '{"inputs": {"a": [[1, 2], [3, "4"]], "b": [[7], [8]]}}',
        '{"inputs": {"a": [[1, 2], [3, 1e39]], "b": [[7], [8]]}}',
        '{"inputs": {"a": [[1, 2], [[3, 4]]], "b": [[7], [8]]}}',
        '{"inputs": {"a": [[1, 2], 3], "b": [[7], [8]]}}',
        '{"inputs": {"a": [[1, 2], [3, 4]], "b": [[7], [8.5]]}}',
    ],
)
def test_an_item_that_is_wrong_is_named(body: str, pair: Manifest) -> None:
    with pytest.raises(InputError) as raised:
        decode_json(body.encode(), pair, PIXELS, BATCH)
    assert raised.value.message.startswith("item 1: ")


def test_deep_elements_are_not_quoted(pair: Manifest) -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    assert reference(pair, f'{{"inputs": {{"a": [[1, {deep}]], "b": [[7]]}}}}') == "tensor-value"
    assert reference(pair, deep) == "json-form"


def test_the_largest_batch_is_parsed_and_far_more_is_not(pair: Manifest) -> None:
    largest = {"inputs": {"a": [[1, 2]] * BATCH, "b": [[7]] * BATCH}}
    assert len(decode_json(json.dumps(largest).encode(), pair, PIXELS, BATCH)) == BATCH
    for value in ("[]", "{}", "1", '"a"', "[[1]]"):
        body = '{"inputs": {"a": [' + f"{value}," * 2_000 + "1]}}"
        assert reference(pair, body) == "json-too-long"
