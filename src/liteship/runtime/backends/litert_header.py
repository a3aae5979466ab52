"""What LiteRT's headers declare, as far as `litert_c` uses it.

https://github.com/google-ai-edge/LiteRT/tree/main/litert/c
"""

from __future__ import annotations

import ctypes

# LiteRtElementType, litert/c/litert_model_types.h
DTYPES = {
    1: "float32",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    11: "float64",
    13: "uint64",
    16: "uint32",
    17: "uint16",
}
# LiteRtStatus, litert/c/litert_common.h
STATUS = {
    1: "invalid argument",
    2: "memory allocation failure",
    3: "runtime failure",
    5: "unsupported",
    500: "file error",
    501: "invalid flatbuffer",
    504: "compilation failed",
}
HOST_MEMORY = 1  # LiteRtTensorBufferType, litert_tensor_buffer_types.h
CPU = 1  # LiteRtHwAccelerators, litert_common.h
PER_TENSOR = 1  # LiteRtQuantizationTypeId, litert_model_types.h
RANK_BITS = 0x7F  # LiteRtLayout packs the rank into the low 7 bits, litert_layout.h
INT = 2  # LiteRtAnyType
AUTO_REGISTER_ACCELERATORS = 24  # else it looks for four GPU libraries at every start
MIN_LOGGER_SEVERITY = 25
ERROR = 3  # LiteRtLogSeverity; both options bring 12 log lines a process down to one
CPU_OPTIONS = b"xnnpack"  # litert/c/options/litert_cpu_options.cc: their payload is TOML


class Any(ctypes.Structure):
    """As in litert_any.h."""

    _fields_ = (("type", ctypes.c_int32), ("value", ctypes.c_int64))


class EnvironmentOption(ctypes.Structure):
    """As in litert_environment_options.h."""

    _fields_ = (("tag", ctypes.c_int32), ("value", Any))


class Layout(ctypes.Structure):
    """As in litert_layout.h."""

    _fields_ = (
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class TensorType(ctypes.Structure):
    """As in litert_model_types.h."""

    _fields_ = (("element_type", ctypes.c_int32), ("layout", Layout))


class PerTensor(ctypes.Structure):
    """As in litert_model_types.h."""

    _fields_ = (("scale", ctypes.c_float), ("zero_point", ctypes.c_int64))
