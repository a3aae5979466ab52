"""A whole conversion from ONNX: the converter in its own environment, the rest in ours."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from liteship import Artifact
from liteship.artifact import Postprocessing, Preprocessing
from liteship.conversion.environments import environment_for
from liteship.conversion.pipeline import convert_model
from liteship.conversion.request import ConversionRequest

if TYPE_CHECKING:
    from pathlib import Path

MAKE = """
import sys
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

rng = np.random.default_rng(5)
weights = rng.normal(size=(6, 3)).astype(np.float32)
nodes = [
    helper.make_node("MatMul", ["row", "weights"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
]
graph = helper.make_graph(
    nodes,
    "table",
    [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["batch", 6])],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
    [numpy_helper.from_array(weights, "weights")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
save(model, sys.argv[1] + "/table.onnx")
rows = rng.normal(size=(80, 6)).astype(np.float32)
np.savez(sys.argv[1] + "/calibration.npz", row=rows)
np.savez(sys.argv[1] + "/evaluation.npz", row=rows, label=(rows @ weights).argmax(axis=1))
"""


def test_an_onnx_model_becomes_a_proven_artifact(tmp_path: Path) -> None:
    said: list[str] = []
    python = environment_for("onnx", said.append)
    subprocess.run([python, "-c", MAKE, tmp_path], check=True)
    request = ConversionRequest(
        name="table",
        version="1",
        source=str(tmp_path / "table.onnx"),
        calibration=str(tmp_path / "calibration.npz"),
        evaluation=str(tmp_path / "evaluation.npz"),
        max_drop=0.05,
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(labels=["a", "b", "c"]),
        output=tmp_path / "model",
    )
    result = convert_model(request, lambda *_: None)
    assert result.accuracy is not None
    assert result.accuracy.source == 1
    manifest = Artifact.load(request.output).manifest
    provenance: Any = manifest.provenance
    assert provenance["source"]["format"] == "onnx"
    assert (manifest.inputs[0].name, manifest.inputs[0].dtype) == ("row", "int8")
    assert manifest.inputs[0].shape[0] == -1
