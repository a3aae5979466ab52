"""LiteRT's C API through ctypes: the default back end; no NumPy, no Python package.

`libLiteRt.so` ships inside the `ai-edge-litert` wheel and exports LiteRT's public C API
(https://github.com/google-ai-edge/LiteRT/tree/main/litert/c) with the XNNPACK kernels inside. ctypes
releases the GIL during each call. One instance belongs to one thread.
"""

from __future__ import annotations

import ctypes
import os
import sys

from liteship.artifact.tensors import TensorSpec, have_batch
from liteship.errors import ArtifactError, NotReadyError
from liteship.runtime.backends.litert_header import (
    AUTO_REGISTER_ACCELERATORS,
    CPU,
    CPU_OPTIONS,
    DTYPES,
    ERROR,
    HOST_MEMORY,
    INT,
    MIN_LOGGER_SEVERITY,
    PER_TENSOR,
    RANK_BITS,
    STATUS,
    Any,
    EnvironmentOption,
    PerTensor,
    TensorType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIBRARY = os.path.join("ai_edge_litert", "libLiteRt.so")
"""Where the wheel, and so every layer, puts the library below an entry of `sys.path`."""


def find_library() -> str | None:
    """Path of `libLiteRt.so` below `sys.path`, without importing the package; None if it is absent."""
    for entry in sys.path:
        path = os.path.join(entry, LIBRARY)
        if os.path.isfile(path):
            return path
    return None


class LiteRtCInterpreter:
    """A compiled model with its tensor buffers.

    Args:
        model: The content of a `.tflite` file.
        threads: That one run is shared among, the caller's included.

    Attributes:
        inputs: Input tensors by name, as the model declares them.
        outputs: Output tensors by name.
        takes_batches: Whether the first dimension of each of them is open, or 1.

    Raises:
        NotReadyError: `backend-missing` without the library, `backend-broken` with a wrong one.
        ArtifactError: `model-refused` for a model that LiteRT cannot run.
    """

    def __init__(self, model: bytes, threads: int = 1) -> None:
        path = find_library()
        if path is None:
            raise NotReadyError(
                "backend-missing",
                f"{LIBRARY} is in none of the folders of sys.path",
                hint="install ai-edge-litert, or add the layer layers/litert to the function",
            )
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:  # another processor's, cut short, or without its libraries
            raise _wrong_library(str(error)) from error
        self._content = model  # LiteRT reads it in place: it must outlive the compiled model
        self._destroy: list[tuple[str, ctypes.c_void_p]] = []
        self._buffers: list[ctypes.c_void_p] = []
        self._environment = self._create("Environment", *self._environment_options())
        handle = self._create(
            "Model",
            self._environment,
            ctypes.c_char_p(model),
            ctypes.c_size_t(len(model)),
            call="LiteRtCreateModelFromBuffer",
        )
        self._compiled = self._create(
            "CompiledModel", self._environment, handle, self._options(threads)
        )
        signature = self._get("LiteRtGetModelSignature", handle, ctypes.c_size_t(0))
        self.inputs, self._input_types = self._tensors(signature, "Input")
        self.outputs, self._output_types = self._tensors(signature, "Output")
        self.takes_batches = have_batch((*self.inputs.values(), *self.outputs.values()))
        self._run = self._function("LiteRtRunCompiledModel")
        self._allocate(1)

    def invoke(self, inputs: Mapping[str, bytes], items: int = 1) -> dict[str, bytes]:
        """Runs the model once.

        Args:
            inputs: Each input tensor's bytes by name, those of several items one after another:
                exactly `items` × `TensorSpec.size_bytes`.
            items: How many; more than one where `takes_batches`.

        Returns:
            Each output tensor's bytes by name, those of several items one after another.

        Raises:
            ValueError: An input is missing or has another size.
            ArtifactError: `model-refused` if the run itself fails.
        """
        if items != self._items:
            self._resize(items)
        for name, memory in self._input_memory:
            data = inputs.get(name, b"")
            if len(data) != len(memory):
                spec = self.inputs[name]
                msg = f"input {spec} takes {len(memory)} bytes, received {len(data)}"
                raise ValueError(msg)
            memory[:] = data
        status = self._run(*self._run_arguments)
        if status != 0:
            raise _refused_call("LiteRtRunCompiledModel", status)
        return {name: memory.tobytes() for name, memory in self._output_memory}

    def __del__(self) -> None:
        self._free_buffers()
        for kind, handle in reversed(getattr(self, "_destroy", [])):
            getattr(self._library, f"LiteRtDestroy{kind}")(handle)

    def _environment_options(self) -> tuple[ctypes.c_int, ctypes.Array[EnvironmentOption]]:
        options = (EnvironmentOption * 2)(
            EnvironmentOption(AUTO_REGISTER_ACCELERATORS, Any(INT, CPU)),
            EnvironmentOption(MIN_LOGGER_SEVERITY, Any(INT, ERROR)),
        )
        return ctypes.c_int(len(options)), options

    def _options(self, threads: int) -> ctypes.c_void_p:
        options = self._create("Options")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(CPU))
        if threads > 1:
            self._set_cpu_options(options, b"num_threads = %d" % threads)
        return options

    def _set_cpu_options(self, options: ctypes.c_void_p, toml: bytes) -> None:
        c = ctypes.CDLL(None)
        c.strdup.restype = ctypes.c_void_p
        payload = ctypes.c_void_p(c.strdup(toml))
        free = ctypes.cast(c.free, ctypes.c_void_p)
        name = ctypes.c_char_p(CPU_OPTIONS)
        opaque = self._get("LiteRtCreateOpaqueOptions", name, payload, free)
        self._call("LiteRtAddOpaqueOptions", options, opaque)  # which owns it from here on

    def _tensors(
        self, signature: ctypes.c_void_p, direction: str
    ) -> tuple[dict[str, TensorSpec], list[TensorType]]:
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{direction}s", signature, ctypes.byref(count))
        specs: dict[str, TensorSpec] = {}
        types = []
        for position in range(count.value):
            index = ctypes.c_size_t(position)
            name = ctypes.c_char_p()
            self._call(f"LiteRtGetSignature{direction}Name", signature, index, ctypes.byref(name))
            tensor = self._get(f"LiteRtGetSignature{direction}TensorByIndex", signature, index)
            spec, kind = self._spec((name.value or b"").decode(), tensor)
            specs[spec.name] = spec
            types.append(kind)
        return specs, types

    def _resize(self, items: int) -> None:
        """Opens the batch dimension for so many items, here and in the compiled model.

        "NonStrict" opens a dimension of 1 that the model declares closed. What cannot follow, such as a
        reshape to a fixed size, is refused at the next run.
        """
        self._items = 0  # of a model that refuses, nothing is known
        for index, spec in enumerate(self.inputs.values()):
            shape = (items, *spec.item_shape[1:])
            self._call(
                "LiteRtCompiledModelResizeInputTensorNonStrict",
                self._compiled,
                ctypes.c_size_t(0),
                ctypes.c_size_t(index),
                (ctypes.c_int * len(shape))(*shape),
                ctypes.c_size_t(len(shape)),
            )
        self._allocate(items)

    def _allocate(self, items: int) -> None:
        """Makes the tensor buffers and everything else that does not change from run to run.

        Looking up functions, locking buffers and making arguments took 6 of the 8 microseconds of a
        small model's run.
        """
        self._free_buffers()
        inputs, self._input_memory = self._make_buffers(self.inputs, self._input_types, items)
        outputs, self._output_memory = self._make_buffers(self.outputs, self._output_types, items)
        self._run_arguments = (
            self._compiled,
            ctypes.c_size_t(0),
            ctypes.c_size_t(len(inputs)),
            inputs,
            ctypes.c_size_t(len(outputs)),
            outputs,
        )
        self._items = items

    def _make_buffers(
        self, specs: Mapping[str, TensorSpec], types: list[TensorType], items: int
    ) -> tuple[ctypes.Array[ctypes.c_void_p], list[tuple[str, memoryview]]]:
        """A buffer a tensor, and its memory by name: the host's own, so that nobody need lock it."""
        handles = (ctypes.c_void_p * len(specs))()
        memory = []
        for position, (spec, kind) in enumerate(zip(specs.values(), types, strict=True)):
            size_bytes = items * spec.size_bytes
            if self.takes_batches:
                kind.layout.dimensions[0] = items
            buffer = self._get(
                "LiteRtCreateManagedTensorBuffer",
                self._environment,
                ctypes.c_int(HOST_MEMORY),
                ctypes.byref(kind),
                ctypes.c_size_t(size_bytes),
            )
            self._buffers.append(buffer)
            handles[position] = buffer.value
            address = self._get("LiteRtGetTensorBufferHostMemory", buffer).value or 0
            view = memoryview((ctypes.c_char * size_bytes).from_address(address)).cast("B")
            memory.append((spec.name, view))
        return handles, memory

    def _free_buffers(self) -> None:
        for buffer in getattr(self, "_buffers", []):
            self._library.LiteRtDestroyTensorBuffer(buffer)
        self._buffers = []

    def _spec(self, name: str, tensor: ctypes.c_void_p) -> tuple[TensorSpec, TensorType]:
        kind = TensorType()
        self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(kind))
        if kind.element_type not in DTYPES:
            raise _refused(f"tensor {name} has LiteRT element type {kind.element_type}", DTYPES)
        shape = kind.layout.dimensions[: kind.layout.rank & RANK_BITS]
        for axis, size in enumerate(shape):
            kind.layout.dimensions[axis] = max(size, 1)  # a buffer needs every dimension closed
        quantization, scheme = PerTensor(), ctypes.c_int()
        self._call("LiteRtGetQuantizationTypeId", tensor, ctypes.byref(scheme))
        if scheme.value == PER_TENSOR:
            self._call("LiteRtGetPerTensorQuantization", tensor, ctypes.byref(quantization))
        dtype = DTYPES[kind.element_type]
        return TensorSpec(name, dtype, shape, quantization.scale, quantization.zero_point), kind

    def _create(self, kind: str, *arguments: object, call: str = "") -> ctypes.c_void_p:
        handle = self._get(call or f"LiteRtCreate{kind}", *arguments)
        self._destroy.append((kind, handle))
        return handle

    def _get(self, call: str, *arguments: object) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(call, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, call: str, *arguments: object) -> None:
        # Every argument is a ctypes object: a plain int would be cut to 32 bits.
        status = self._function(call)(*arguments)
        if status != 0:
            raise _refused_call(call, status)

    def _function(self, name: str) -> Callable[..., int]:
        try:
            function: Callable[..., int] = getattr(self._library, name)
        except AttributeError as error:
            raise _wrong_library(str(error)) from error
        return function


def _wrong_library(reason: str) -> NotReadyError:
    return NotReadyError(
        "backend-broken",
        f"LiteRT's library cannot be used: {reason}",
        expected="libLiteRt.so as the layer layers/litert has it, for this processor",
        hint="build the layer again for the function's architecture",
    )


def _refused_call(call: str, status: int) -> ArtifactError:
    return _refused(f"{call}: {STATUS.get(status, 'status')} {status}")


def _refused(reason: str, known: Mapping[int, str] | None = None) -> ArtifactError:
    return ArtifactError(
        "model-refused",
        f"LiteRT cannot run this model ({reason})",
        expected=f"one of {', '.join(known.values())}" if known else None,
        hint="convert it again with this version of liteship: liteship convert NAME",
    )
