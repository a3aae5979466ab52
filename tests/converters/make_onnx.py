"""Writes small ONNX models into a folder. Runs in the environment for ONNX.

Usage: python make_onnx.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(1)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def main() -> None:
    """Writes `NAME.onnx` for each model below."""
    folder = Path(sys.argv[1])
    for name, model in {
        "classifier": classifier("batch", 10, 8),
        "one-sample": classifier(1, 10, 8),
        "four-samples": classifier(4, 10, 8),
        "open-size": classifier("batch", "height", "width"),
        "odd-names": classifier("batch", 10, 8, image="input.1", scores="/scores:0"),
        "mlp": mlp(),
        "sequence": sequence(),
        "pair": pair(),
        "masks": masks(),
        "determinant": one_operator("Det", [["batch", 3, 3]], ["batch"]),
        "stranger": one_operator("Frobnicate", [["batch", 3]], ["batch", 3], domain="com.example"),
    }.items():
        onnx.save(model, folder / f"{name}.onnx")
    onnx.save(
        classifier("batch", 10, 8),
        folder / "external.onnx",
        save_as_external_data=True,
        location="external.data",
        size_threshold=0,
    )


def classifier(
    batch: Any, height: Any, width: Any, image: str = "image", scores: str = "scores"
) -> Any:
    """Convolution, pooling, dense and softmax on NCHW pictures."""
    return model(
        [
            helper.make_node("Conv", [image, "kernel", "bias"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "dense", "dense_bias"], ["g"]),
            helper.make_node("Softmax", ["g"], [scores]),
        ],
        {image: (FLOAT, [batch, 3, height, width])},
        {scores: (FLOAT, [batch, 10])},
        {"kernel": (8, 3, 3, 3), "bias": (8,), "dense": (160, 10), "dense_bias": (10,)},
    )


def mlp() -> Any:
    """Two dense layers on a row of a table."""
    return model(
        [
            helper.make_node("Gemm", ["row", "w1", "b1"], ["h"]),
            helper.make_node("Tanh", ["h"], ["t"]),
            helper.make_node("Gemm", ["t", "w2", "b2"], ["scores"]),
        ],
        {"row": (FLOAT, ["batch", 4])},
        {"scores": (FLOAT, ["batch", 3])},
        {"w1": (4, 8), "b1": (8,), "w2": (8, 3), "b2": (3,)},
    )


def sequence() -> Any:
    """Three dimensions, which are no picture: (batch, time, features)."""
    return model(
        [
            helper.make_node("MatMul", ["steps", "w"], ["y"]),
            helper.make_node("ReduceMean", ["y"], ["mean"], axes=[1], keepdims=0),
        ],
        {"steps": (FLOAT, ["batch", 5, 4])},
        {"mean": (FLOAT, ["batch", 3])},
        {"w": (4, 3)},
    )


def pair() -> Any:
    """Integer ids and a float vector."""
    return model(
        [
            helper.make_node("Gather", ["table", "ids"], ["e"]),
            helper.make_node("ReduceMean", ["e"], ["m"], axes=[1], keepdims=0),
            helper.make_node("Concat", ["m", "extra"], ["j"], axis=1),
            helper.make_node("Gemm", ["j", "w", "b"], ["scores"]),
        ],
        {"ids": (INT64, ["batch", 6]), "extra": (FLOAT, ["batch", 3])},
        {"scores": (FLOAT, ["batch", 2])},
        {"table": (50, 8), "w": (11, 2), "b": (2,)},
    )


def masks() -> Any:
    """A square picture in and out, with as many channels as rows: no shape tells its layout."""
    return model(
        [helper.make_node("Conv", ["image", "kernel", "bias"], ["mask"], pads=[1, 1, 1, 1])],
        {"image": (FLOAT, ["batch", 8, 8, 8])},
        {"mask": (FLOAT, ["batch", 8, 8, 8])},
        {"kernel": (8, 8, 3, 3), "bias": (8,)},
    )


def one_operator(name: str, inputs: list[Any], output: list[Any], domain: str = "") -> Any:
    """A model of a single operator."""
    names = [f"x{index}" for index in range(len(inputs))]
    taken = {name: (FLOAT, shape) for name, shape in zip(names, inputs, strict=True)}
    nodes = [helper.make_node(name, names, ["y"], domain=domain)]
    return model(nodes, taken, {"y": (FLOAT, output)}, {})


def model(nodes: Any, inputs: Any, outputs: Any, weights: Any) -> Any:
    """A graph with seeded weights of the given shapes."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, *each) for name, each in inputs.items()],
        [helper.make_tensor_value_info(name, *each) for name, each in outputs.items()],
        [
            numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32) * 0.3, name)
            for name, shape in weights.items()
        ],
    )
    operators = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    return helper.make_model(graph, opset_imports=operators, ir_version=9)


if __name__ == "__main__":
    main()
