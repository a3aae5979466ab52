from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.artifact import TensorSpec
from liteship.errors import InputError, PayloadTooLargeError
from liteship.runtime.codecs.binary import decode_binary

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest


def test_inputs_follow_one_another_in_the_models_order(manifest_of: Callable[..., Manifest]) -> None:
    manifest = manifest_of(
        TensorSpec("b", "int16", [-1, 2]), TensorSpec("a", "uint8", [3]), TensorSpec("c", "bool", [1])
    )
    received = decode_binary(b"12345678", manifest, 9)
    assert received == [{"b": b"1234", "a": b"567", "c": b"8"}]


@pytest.mark.parametrize("size", [0, 1, 7, 9, 17])
def test_another_size_is_refused(size: int, manifest_of: Callable[..., Manifest]) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 2]))
    with pytest.raises(InputError) as raised:
        decode_binary(bytes(size), manifest, 9)
    assert raised.value.reference == "tensor-size"
    assert raised.value.expected == "8 bytes, or a multiple of it: x float32 [?×2]"
    assert raised.value.received == f"{size} bytes"


def test_items_follow_one_another_where_there_is_one_input(
    manifest_of: Callable[..., Manifest],
) -> None:
    manifest = manifest_of(TensorSpec("x", "int16", [1, 2]))
    assert decode_binary(b"1234abcd", manifest, 2) == [{"x": b"1234"}, {"x": b"abcd"}]
    with pytest.raises(PayloadTooLargeError) as raised:
        decode_binary(bytes(12), manifest, 2)
    assert raised.value.reference == "batch-too-large"


def test_other_models_take_one_item(manifest_of: Callable[..., Manifest]) -> None:
    x, y = TensorSpec("x", "int8", [1, 2]), TensorSpec("y", "int8", [1, 2])
    for manifest in (manifest_of(x, y), manifest_of(TensorSpec("x", "int8", [2, 2]))):
        assert len(decode_binary(bytes(4), manifest, 9)) == 1
        with pytest.raises(InputError) as raised:
            decode_binary(bytes(8), manifest, 9)
        assert raised.value.reference == "tensor-size"
