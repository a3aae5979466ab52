"""Functions that serve models of `tests/data/models`, and manifests without a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from liteship import Artifact
from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing, TensorSpec
from liteship.runtime.interpreter import create_interpreter

MODELS = Path(__file__).with_name("data") / "models"
APP = "from liteship import Function\nhandler = Function(__file__)\n"


def function_of(
    name: str,
    folder: Path,
    *,
    version: str = "1",
    labels: tuple[str, ...] = (),
    activation: str = "none",
) -> Path:
    """Writes a function of one model, as it is; zeros are its golden input.

    Args:
        name: The model's file, without `.tflite`.
        folder: Made where it is missing.
        version: The model's.
        labels: Of its classes.
        activation: What makes scores of its output.

    Returns:
        Its `app.py`.
    """
    model = (MODELS / f"{name}.tflite").read_bytes()
    interpreter = create_interpreter(model)
    golden = {each: bytes(spec.size_bytes) for each, spec in interpreter.inputs.items()}
    outputs = interpreter.invoke(golden)
    manifest = Manifest(
        name=name,
        version=version,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        scheme="float32",
        inputs=list(interpreter.inputs.values()),
        outputs=list(interpreter.outputs.values()),
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(activation, labels),
        golden=Golden("golden.bin.zlib", [outputs[each] for each in interpreter.outputs]),
        provenance={},
    )
    (folder / "model").mkdir(parents=True)
    Artifact(manifest, model, list(golden.values())).save(folder / "model")
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


def manifest_of(*inputs: TensorSpec, preprocessing: Preprocessing | None = None) -> Manifest:
    """A manifest with these inputs and this preprocessing; decoders look at nothing else."""
    return Manifest(
        name="sample",
        version="1",
        sha256="",
        size_bytes=0,
        scheme="int8",
        inputs=inputs,
        outputs=[TensorSpec("out", "float32", [1])],
        preprocessing=preprocessing or Preprocessing("tensor"),
        postprocessing=Postprocessing(),
        golden=Golden("golden", [bytes(4)]),
        provenance={},
    )
