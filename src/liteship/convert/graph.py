"""Reads and mends a `.tflite` graph through LiteRT's flatbuffer tools.

Imports LiteRT's Python package: runs in the conversion's child process only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

_FLOATS = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.FLOAT64)


def read_shapes_from_integers(model: bytes) -> bytes:
    """Lets SHAPE operators read the quantized tensor instead of a dequantized copy of it.

    Keras' Flatten asks for the shape of its input where the batch is open. The quantizer knows no
    quantized SHAPE, so it dequantizes a whole activation for an operator that never looks at a value.

    Args:
        model: Content of a quantized `.tflite`.

    Returns:
        The same model without those DEQUANTIZE operators.
    """
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    for subgraph in graph.subgraphs:
        codes = {id(op): _code(graph, op) for op in subgraph.operators}
        readers = Counter(int(index) for op in subgraph.operators for index in op.inputs)
        readers.update(int(index) for index in subgraph.outputs)
        shapes = [op for op in subgraph.operators if codes[id(op)] == schema.BuiltinOperator.SHAPE]
        dequantized = {
            int(op.outputs[0]): op
            for op in subgraph.operators
            if codes[id(op)] == schema.BuiltinOperator.DEQUANTIZE
        }
        for shape in shapes:
            dequantize = dequantized.get(int(shape.inputs[0]))
            if dequantize is None:
                continue
            readers[int(shape.inputs[0])] -= 1
            shape.inputs = list(dequantize.inputs)
        unread = {id(op) for index, op in dequantized.items() if readers[index] == 0}
        subgraph.operators = [op for op in subgraph.operators if id(op) not in unread]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph))


def float_tensors(model: bytes) -> list[str]:
    """Name and shape of every floating-point tensor that an operator reads or writes."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    found = []
    for subgraph in graph.subgraphs:
        used = {int(i) for op in subgraph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
        for index in sorted(used):
            tensor = subgraph.tensors[index]
            if tensor.type in _FLOATS:
                shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
                found.append(f"{tensor.name.decode()} {shape}")
    return found


def _code(graph: Any, op: Any) -> int:
    code = graph.operatorCodes[op.opcodeIndex]
    # Models of older writers have only the deprecated field, which ends at 127.
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
