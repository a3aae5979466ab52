from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def manifest_of() -> Callable[..., Manifest]:
    """A manifest with these inputs and this preprocessing; decoders look at nothing else."""

    def make(*inputs: TensorSpec, preprocessing: Preprocessing | None = None) -> Manifest:
        return Manifest(
            name="sample",
            version="1",
            sha256="",
            size_bytes=0,
            scheme="int8",
            inputs=inputs,
            outputs=[TensorSpec("out", "float32", [1])],
            preprocessing=preprocessing or Preprocessing("tensor"),
            postprocessing=Postprocessing(),
            golden=Golden("golden", [bytes(4)]),
            provenance={},
        )

    return make
