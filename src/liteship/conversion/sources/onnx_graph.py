"""Reads an ONNX graph, and prepares it for onnx2tf.

Imports onnx: runs in the child process of the environment for ONNX only.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from liteship.errors import ConfigurationError, ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.conversion.sources.exported import ExportOptions


def load(path: Path) -> Any:
    """The model with all its weights.

    Raises:
        SourceModelError: `source-corrupt`.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise whatever damaged bytes lead them to
        raise SourceModelError(
            "source-corrupt",
            f"{path} is no valid ONNX model: {type(error).__name__}: {str(error)[:300]}",
            expected="a model that onnx.checker accepts, its external data beside it",
            hint="export the model again",
        ) from error
    return model


def inputs_of(model: Any) -> list[Any]:
    """The graph's inputs; older models also list their weights among them."""
    weights = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in weights]


def fix_shapes(model: Any, options: ExportOptions, path: Path) -> None:
    """Fixes every dimension that the source leaves open, but for the batch.

    Raises:
        ConfigurationError: `input-shape-missing` or `input-shape-invalid`.
        SourceModelError: `source-batch`.
    """
    inputs = {each.name: each.type.tensor_type.shape.dim for each in inputs_of(model)}
    only = next(iter(inputs)) if len(inputs) == 1 else ""
    given = {name or only: shape for name, shape in options.input_shapes.items()}
    problems = [f"the model has no input {name}" for name in given.keys() - inputs.keys()]
    problems += [
        f"{name} is {_written(dims)}, not {given[name]}"
        for name, dims in inputs.items()
        if name in given and not _fits(dims, given[name])
    ]
    if problems:
        raise ConfigurationError(
            "input-shape-invalid",
            f"the shapes given do not fit {path}",
            problems=problems,
            expected=", ".join(f"{name} {_written(dims)}" for name, dims in inputs.items()),
            hint="give the shape as the ONNX model has it, batch dimension included",
        )
    _require_batch(inputs, path)
    symbols = {}
    for name, dims in inputs.items():
        for dim, size in list(zip(dims, given.get(name, ()), strict=False))[1:]:
            symbols[dim.dim_param] = size
            dim.dim_value = size
    open_inputs = [
        name for name, dims in inputs.items() if not all(each.dim_value for each in list(dims)[1:])
    ]
    if open_inputs:
        raise ConfigurationError(
            "input-shape-missing",
            f"{path} leaves open more than the batch of {', '.join(open_inputs)}",
            expected="one fixed shape: a function's images and its memory are planned for it",
            received=", ".join(f"{name} {_written(inputs[name])}" for name in open_inputs),
            hint=f"pass --input-shape {open_inputs[0]}=1,3,224,224, as the ONNX model has it",
        )
    del model.graph.value_info[:]  # would still name the dimensions that are fixed now
    for output in model.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            if dim.dim_param in symbols and dim.dim_param:
                dim.dim_value = symbols[dim.dim_param]


def require_operators(model: Any, path: Path) -> None:
    """Refuses operators that onnx2tf does not know, all at once.

    Raises:
        ConversionError: `float-conversion`.
    """
    spec = importlib.util.find_spec("onnx2tf")
    places = (spec and spec.submodule_search_locations) or ()
    known = {each.stem for place in places for each in Path(place, "ops").glob("*.py")}
    unknown = sorted(
        {
            f"{node.op_type} of {node.domain or 'ai.onnx'}"
            for node in _nodes(model.graph)
            if node.op_type not in known
        }
    )
    if unknown:
        raise ConversionError(
            "float-conversion",
            f"{path} has operators that onnx2tf does not know",
            problems=unknown,
            hint="export the model without them, or leave that part to a hook",
        )


def rename(model: Any) -> None:
    """Gives inputs and outputs names that TensorFlow keeps, by an Identity where one needs it."""
    graph = model.graph
    for value in inputs_of(model):
        old, value.name = value.name, _plain(value.name)
        if value.name != old:
            graph.node.insert(0, onnx.helper.make_node("Identity", [value.name], [old]))
    for value in graph.output:
        old, value.name = value.name, _plain(value.name)
        if value.name != old:
            graph.node.append(onnx.helper.make_node("Identity", [old], [value.name]))


def _plain(name: str) -> str:
    plain = re.sub(r"\W", "_", name, flags=re.ASCII).lstrip("_")
    return plain if plain[:1].isalpha() else f"tensor_{plain}"


def _require_batch(inputs: dict[str, Any], path: Path) -> None:
    problems = [
        f"{name} is {_written(dims)}"
        for name, dims in inputs.items()
        if len(dims) == 0 or dims[0].dim_value > 1
    ]
    if problems:
        raise SourceModelError(
            "source-batch",
            f"{path} cannot take a batch of 1",
            problems=problems,
            expected="an open first dimension, or 1",
            hint="export the model with a dynamic batch axis, or with one sample",
        )


def _fits(dims: Any, shape: tuple[int, ...]) -> bool:
    sizes = [each.dim_value for each in dims]
    return len(sizes) == len(shape) and all(
        wanted > 0 and size in {0, wanted} for size, wanted in list(zip(sizes, shape, strict=True))[1:]
    )


def _written(dims: Any) -> str:
    return f"({', '.join(str(each.dim_value or each.dim_param or '?') for each in dims)})"


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
