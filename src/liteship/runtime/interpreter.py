"""Chooses the back end that runs a model.

Every back end has the same small interface: `inputs` and `outputs` (tensor specs by name) and `invoke`
(bytes by name in, bytes by name out; of several items at once, where it `takes_batches`). Tensors are
known by name: their order is the back end's own. One interpreter belongs to one thread: shared by two,
LiteRT answers wrongly.
"""

from __future__ import annotations

from liteship.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from liteship.artifact.tensors import TensorSpec

    class Interpreter(Protocol):
        """What every back end offers."""

        inputs: dict[str, TensorSpec]
        outputs: dict[str, TensorSpec]
        takes_batches: bool

        def invoke(self, inputs: Mapping[str, bytes], items: int = 1) -> dict[str, bytes]:
            """Runs the model once: input tensors' bytes by name in, output tensors' out."""


BACKENDS = ("litert-c", "litert", "tflite-runtime")
"""LiteRT's C API (the default), LiteRT's Python interpreter, tflite-runtime's."""


def create_interpreter(model: bytes, backend: str = "litert-c", threads: int = 1) -> Interpreter:
    """An interpreter for the calling thread.

    Args:
        model: The content of a `.tflite` file.
        backend: One of `BACKENDS`.
        threads: That one run is shared among, the caller's included.

    Raises:
        ConfigurationError: `backend-unknown`.
        NotReadyError: `backend-missing`.
        ArtifactError: `model-refused`.
    """
    if backend == "litert-c":
        from liteship.runtime.backends.litert_c import LiteRtCInterpreter

        return LiteRtCInterpreter(model, threads)
    if backend not in BACKENDS:
        raise ConfigurationError(
            "backend-unknown",
            "LITESHIP_BACKEND names no back end",
            expected=f"one of {', '.join(BACKENDS)}",
            received=backend,
            hint="unset LITESHIP_BACKEND to use LiteRT's C API",
        )
    from liteship.runtime.backends.python_api import PythonInterpreter

    return PythonInterpreter(model, backend, threads)
