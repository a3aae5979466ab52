"""The Python interpreters of `ai-edge-litert` and `tflite-runtime`: back ends that need NumPy."""

from __future__ import annotations

import importlib

from liteship.artifact.tensors import TensorSpec
from liteship.errors import ArtifactError, NotReadyError
from liteship.quantization import ITEM_BYTES
from liteship.runtime.backends.flatbuffer import damage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MODULES = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Back-end name to the module with its `Interpreter`."""


class PythonInterpreter:
    """The same small interface as `LiteRtCInterpreter`, over a Python `Interpreter`.

    Args:
        model: The content of a `.tflite` file.
        backend: A key of `MODULES`.
        threads: That one run is shared among, the caller's included.

    Raises:
        NotReadyError: `backend-missing` if its package is not installed.
        ArtifactError: `model-refused` for a model that the package cannot run.
    """

    takes_batches = False  # whether they would answer as item by item does is not known

    def __init__(self, model: bytes, backend: str, threads: int = 1) -> None:
        try:
            import numpy as np

            module = importlib.import_module(MODULES[backend])
        except ImportError as error:
            raise NotReadyError(
                "backend-missing",
                f"back end {backend} cannot be imported: {error}",
                hint=f"install {MODULES[backend].split('.')[0]} and numpy, or unset LITESHIP_BACKEND",
            ) from error
        self._numpy = np
        self._backend = backend
        if reason := damage(model):
            raise self._refused(f"the file is damaged: {reason}")
        try:
            self._interpreter = module.Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
            self._input_details = self._by_name("input")
            self._output_details = self._by_name("output")
        except (ValueError, RuntimeError) as error:
            raise self._refused(error) from error
        self.inputs = {name: self._spec(name, each) for name, each in self._input_details.items()}
        self.outputs = {name: self._spec(name, each) for name, each in self._output_details.items()}

    def invoke(self, inputs: Mapping[str, bytes], items: int = 1) -> dict[str, bytes]:
        """Runs the model once, on one item; see `LiteRtCInterpreter.invoke`."""
        if items != 1:
            msg = f"back end {self._backend} takes one item at a time, received {items}"
            raise ValueError(msg)
        for name, spec in self.inputs.items():
            data = inputs.get(name, b"")
            if len(data) != spec.size_bytes:
                msg = f"input {spec} takes {spec.size_bytes} bytes, received {len(data)}"
                raise ValueError(msg)
            value = self._numpy.frombuffer(data, spec.dtype).reshape(spec.item_shape)
            self._interpreter.set_tensor(self._input_details[name]["index"], value)
        try:
            self._interpreter.invoke()
            results = {
                name: self._interpreter.get_tensor(details["index"]).tobytes()
                for name, details in self._output_details.items()
            }
        except (ValueError, RuntimeError) as error:
            raise self._refused(error) from error
        for name, spec in self.outputs.items():
            if len(results[name]) != spec.size_bytes:
                raise self._refused(f"output {spec} has {len(results[name])} bytes after this run")
        return results

    def _by_name(self, direction: str) -> dict[str, dict[str, Any]]:
        """Tensor details by signature name; by tensor name for a model without a signature."""
        details = getattr(self._interpreter, f"get_{direction}_details")()
        signatures = self._interpreter.get_signature_list()
        if not signatures:
            return {each["name"]: each for each in details}
        runner = self._interpreter.get_signature_runner(next(iter(signatures)))
        indices = {each["index"]: each for each in details}
        named = getattr(runner, f"get_{direction}_details")()
        return {name: indices[each["index"]] for name, each in named.items()}

    def _spec(self, name: str, details: Mapping[str, Any]) -> TensorSpec:
        scale, zero_point = details["quantization"]
        shape = [int(size) for size in details["shape_signature"]]
        dtype = details["dtype"].__name__.rstrip("_")
        if dtype not in ITEM_BYTES:
            raise self._refused(f"tensor {name} has dtype {dtype}", ITEM_BYTES)
        return TensorSpec(name, dtype, shape, float(scale), int(zero_point))

    def _refused(
        self, reason: Exception | str, known: Mapping[str, int] | None = None
    ) -> ArtifactError:
        return ArtifactError(
            "model-refused",
            f"{self._backend} cannot run this model: {str(reason).strip()}",
            expected=f"one of {', '.join(known)}" if known else None,
            hint="unset LITESHIP_BACKEND to use LiteRT's C API, or convert the model again",
        )
