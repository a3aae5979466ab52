"""Quantizes float32 tensors without a Python object for each number: LiteRT does it.

The answer is `liteship.quantization.quantize`'s to the bit, whoever gives it: where models run in
another back end, and for int16, which LiteRT rounds in another way, Python does.
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache

from liteship.errors import LiteshipError
from liteship.quantization import quantize
from liteship.runtime.codecs.json_form import FEW_NUMBERS
from liteship.runtime.codecs.quantizer_model import INPUT, OUTPUT, quantizer_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.interpreter import Interpreter

_LITERT = "liteship.runtime.backends.litert_c"


def quantize_floats(numbers: array[float], spec: TensorSpec) -> bytes:
    """Quantizes float32 numbers.

    Args:
        numbers: Finite, of type code `f`; the tensor's elements, or those of several, row-major.
        spec: A quantized tensor.

    Returns:
        Their bytes in the tensor's dtype.
    """
    kind = spec.dtype, spec.scale, spec.zero_point
    elements = spec.elements
    is_large = elements >= FEW_NUMBERS and len(numbers) % elements == 0 and spec.dtype != "int16"
    idle = _interpreters(elements, *kind) if is_large else None
    if idle is None:
        return quantize(numbers, *kind).tobytes()
    try:
        interpreter = idle.pop()  # as append, atomic: an interpreter belongs to one thread at a time
    except IndexError:
        interpreter = _create(elements, *kind)
    data, size_bytes = numbers.tobytes(), elements * numbers.itemsize
    parts = [
        interpreter.invoke({INPUT: data[start : start + size_bytes]})[OUTPUT]
        for start in range(0, len(data), size_bytes)
    ]
    idle.append(interpreter)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@lru_cache(maxsize=16)  # inputs of so many models; one of 224 × 224 × 3 keeps about a megabyte
def _interpreters(elements: int, dtype: str, scale: float, zero_point: int) -> list[Interpreter] | None:
    """Those that no thread uses; None where LiteRT is not loaded, or quantizes in another way."""
    if _LITERT not in sys.modules:
        return None
    ties = [(step + 0.5) * scale for step in range(-FEW_NUMBERS // 2, FEW_NUMBERS // 2)]
    probe = array("f", ties + [0.0] * (elements - FEW_NUMBERS))
    try:
        interpreter = _create(elements, dtype, scale, zero_point)
        quantized = interpreter.invoke({INPUT: probe.tobytes()})[OUTPUT]
    except (LiteshipError, ValueError):
        return None
    expected = quantize(probe[:FEW_NUMBERS], dtype, scale, zero_point).tobytes()
    return [interpreter] if quantized[:FEW_NUMBERS] == expected else None


def _create(elements: int, dtype: str, scale: float, zero_point: int) -> Interpreter:
    from liteship.runtime.interpreter import create_interpreter

    return create_interpreter(quantizer_model(elements, dtype, scale, zero_point))
