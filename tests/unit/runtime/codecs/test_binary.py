from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.artifact import TensorSpec
from liteship.errors import InputError
from liteship.runtime.codecs.binary import decode_binary

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest


def test_inputs_follow_one_another_in_the_models_order(manifest_of: Callable[..., Manifest]) -> None:
    manifest = manifest_of(
        TensorSpec("b", "int16", [-1, 2]), TensorSpec("a", "uint8", [3]), TensorSpec("c", "bool", [1])
    )
    received = decode_binary(b"12345678", manifest)
    assert received == {"b": b"1234", "a": b"567", "c": b"8"}


@pytest.mark.parametrize("size", [1, 7, 9, 16])
def test_another_size_is_refused(size: int, manifest_of: Callable[..., Manifest]) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 2]))
    with pytest.raises(InputError) as raised:
        decode_binary(bytes(size), manifest)
    assert raised.value.reference == "tensor-size"
    assert raised.value.expected == "8 bytes: x float32 [?×2]"
    assert raised.value.received == f"{size} bytes"
