"""The constant tensors of a `.tflite`, as views into its bytes: written to without rebuilding it.

Imports LiteRT's Python package: runs in the conversion's child process only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_DTYPES = {schema.TensorType.INT8: "int8", schema.TensorType.FLOAT32: "float32"}


@dataclass(frozen=True, kw_only=True)
class ConstantTensor:
    """A tensor whose values stand in the model.

    Attributes:
        name: The tensor's name.
        dtype: `int8` or `float32`.
        data: Its little-endian bytes, a uint8 view into the model: writing to it changes the model.
        zero_point: The integer that stands for 0.0.
        readers: The operators that read it: their `BuiltinOperator` code and the input's position.
    """

    name: str
    dtype: str
    data: NDArray[np.uint8]
    zero_point: int
    readers: frozenset[tuple[int, int]]


def constant_tensors(content: bytearray) -> Iterator[ConstantTensor]:
    """Every int8 and float32 tensor with values of its own, each buffer once.

    Args:
        content: A `.tflite`; the tensors' data are views into it.
    """
    graph: Any = schema.Model.GetRootAs(content, 0)
    seen: set[int] = set()
    for subgraph_index in range(graph.SubgraphsLength()):
        subgraph = graph.Subgraphs(subgraph_index)
        readers = _readers(graph, subgraph)
        for index in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(index)
            dtype = _DTYPES.get(tensor.Type())
            if dtype is None or tensor.Buffer() in seen:
                continue
            data = _data(content, graph.Buffers(tensor.Buffer()))
            if data.size == 0:  # an activation
                continue
            seen.add(tensor.Buffer())
            quantization = tensor.Quantization()
            points = quantization.ZeroPointLength() if quantization else 0
            yield ConstantTensor(
                name=tensor.Name().decode(),
                dtype=dtype,
                data=data,
                zero_point=int(quantization.ZeroPoint(0)) if points else 0,
                readers=frozenset(readers.get(index, ())),
            )


def _data(content: bytearray, buffer: Any) -> NDArray[np.uint8]:
    if buffer.Offset() > 1:  # models over 2 GB keep their buffers behind the flatbuffer
        return np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset())
    if buffer.DataLength() == 0:
        return np.empty(0, np.uint8)
    data: NDArray[np.uint8] = buffer.DataAsNumpy()
    return data


def _readers(graph: Any, subgraph: Any) -> dict[int, set[tuple[int, int]]]:
    found: dict[int, set[tuple[int, int]]] = {}
    for index in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(index)
        code = graph.OperatorCodes(operator.OpcodeIndex())
        # Models of older writers have only the deprecated field, which ends at 127.
        builtin = max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))
        for position in range(operator.InputsLength()):
            found.setdefault(operator.Inputs(position), set()).add((builtin, position))
    return found
