"""Functions made of the models in tests/data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from liteship import Artifact, Function
from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS = Path(__file__).parents[2] / "data" / "models"


def function_of(name: str, folder: Path, environ: Mapping[str, str] | None = None) -> Function:
    """A function whose model is one of tests/data, as it is; zeros are its golden input."""
    model = (MODELS / f"{name}.tflite").read_bytes()
    interpreter = create_interpreter(model, "litert-c")
    golden = {each: bytes(spec.size_bytes) for each, spec in interpreter.inputs.items()}
    outputs = interpreter.invoke(golden)
    manifest = Manifest(
        name=name,
        version="1",
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        scheme="float32",
        inputs=list(interpreter.inputs.values()),
        outputs=list(interpreter.outputs.values()),
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(),
        golden=Golden("golden.bin.zlib", [outputs[each] for each in interpreter.outputs]),
        provenance={},
    )
    Artifact(manifest, model, list(golden.values())).save(folder / "model")
    return Function(str(folder / "app.py"), environ=environ or {})
