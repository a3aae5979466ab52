"""Reads and mends a `.tflite` graph through LiteRT's flatbuffer tools.

Imports LiteRT's Python package: runs in the conversion's child process only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a graph.

    Attributes:
        scope: Names of its outputs, as the quantizer joins them to tell operators apart.
        kind: Such as `CONV_2D`.
        output: Name of its first output.
        weights_bytes: Size of its constant inputs.
    """

    scope: str
    kind: str
    output: str
    weights_bytes: int


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


def type_unread_outputs(model: bytes) -> bytes:
    """Gives an output that nobody reads the type of the outputs beside it.

    The quantizer passes over a tensor without a reader, such as a gate that an LSTM's first step does
    not need; but LiteRT's SPLIT wants all its outputs in one type.

    Args:
        model: Content of a quantized `.tflite`.

    Returns:
        The same model, or the one that was given where there is no such output.
    """
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    changed = False
    for subgraph in graph.subgraphs:
        read = {int(index) for op in subgraph.operators for index in op.inputs}
        read.update(int(index) for index in subgraph.outputs)
        for op in subgraph.operators:
            tensors = [subgraph.tensors[index] for index in op.outputs]
            typed = [each for each in tensors if each.type not in _FLOATS]
            for index, tensor in zip(op.outputs, tensors, strict=True):
                if typed and tensor.type in _FLOATS and int(index) not in read:
                    tensor.type, tensor.quantization = typed[0].type, typed[0].quantization
                    changed = True
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph)) if changed else model


def operators(model: bytes) -> list[Operator]:
    """The operators of the main graph, in the order of their execution."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    subgraph = graph.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    found = []
    for op in subgraph.operators:
        outputs = [subgraph.tensors[index].name.decode() for index in op.outputs if index >= 0]
        constants = [
            graph.buffers[subgraph.tensors[index].buffer].data for index in op.inputs if index >= 0
        ]
        found.append(
            Operator(
                scope="".join(f"{name};" for name in outputs),
                kind=names.get(_code(graph, op), "CUSTOM"),
                output=outputs[0] if outputs else "",
                weights_bytes=sum(len(data) for data in constants if data is not None),
            )
        )
    return found


def has_loops(model: bytes) -> bool:
    """Whether a WHILE operator runs one of the other graphs again and again."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    return any(
        _code(graph, op) == schema.BuiltinOperator.WHILE
        for subgraph in graph.subgraphs
        for op in subgraph.operators
    )


def float_tensors(model: bytes) -> list[str]:
    """Name and shape of every floating-point tensor inside the model: its inputs and outputs apart."""
    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    found = []
    for subgraph in graph.subgraphs:
        used = {int(i) for op in subgraph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
        used -= {int(index) for index in (*subgraph.inputs, *subgraph.outputs)}
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
