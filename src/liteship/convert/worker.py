"""The child process of a conversion: loads the source, makes the float model, quantizes it.

Run as `python -m liteship.convert.worker FOLDER`. FOLDER holds `request.json`. The worker writes
`float.tflite`, `quantized.tflite` and `source.npz` (the source model's outputs) there, and to its
standard output one JSON line a progress step. Converters crash, exhaust memory and write to standard
output: in a process of its own none of that reaches the user's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship import errors
from liteship.artifact import Preprocessing
from liteship.convert.data import load_calibration, load_evaluation
from liteship.convert.reference import normalized_inputs, write_source_outputs
from liteship.errors import ArtifactError, ConversionError, LiteshipError, SourceModelError
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liteship.convert.reference import Arrays


def main() -> int:
    """Converts what the folder named by the only argument asks for."""
    folder = Path(sys.argv[1])
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # TensorFlow prints to standard output, which is the progress channel

    def progress(stage: str, done: int = 0, of: int = 0) -> None:
        report.write(json.dumps({"stage": stage, "done": done, "of": of}) + "\n")

    try:
        _convert(folder, progress)
    except LiteshipError as error:
        answer = {"family": type(error).__name__, **error.as_dict()}
    except MemoryError:
        answer = {
            "family": "ConversionError",
            "reference": "conversion-memory",
            "error": "the conversion ran out of memory",
            "hint": "convert on a machine with more memory",
        }
    else:
        return 0
    report.write(json.dumps({"failure": answer}) + "\n")
    return 1


def failure_from(answer: Mapping[str, Any]) -> LiteshipError:
    """The error that a worker reported."""
    family: type[LiteshipError] = getattr(errors, answer["family"])
    return family(
        answer["reference"],
        answer["error"],
        hint=answer["hint"],
        expected=answer.get("expected"),
        received=answer.get("received"),
        problems=answer.get("problems", ()),
    )


def _convert(folder: Path, progress: Callable[..., None]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    request = json.loads((folder / "request.json").read_text())
    source = Path(request["source"])
    progress("load")
    keras_model = None if request["format"] == "tflite" else _load_keras(source)
    progress("float")
    float_model = source.read_bytes() if keras_model is None else _to_float_tflite(keras_model)
    (folder / "float.tflite").write_bytes(float_model)

    try:
        specs = list(create_interpreter(float_model).inputs.values())
    except ArtifactError as error:
        raise SourceModelError(
            "source-corrupt",
            f"{source} is not a model that can be converted: {error.message}",
            expected="a whole float .tflite model",
            hint="export the model again",
        ) from error
    preprocessing = Preprocessing(**request["preprocessing"])
    calibration = load_calibration(
        request["calibration"], specs, preprocessing, samples=request["samples"]
    )
    sets: dict[str, Arrays] = {"calibration": calibration}
    if request["evaluation"]:
        evaluation = load_evaluation(request["evaluation"], specs, preprocessing)
        sets["evaluation"] = normalized_inputs(evaluation, specs, preprocessing)

    from liteship.convert.quantize import quantize_dynamic, quantize_int8

    if request["scheme"] == "dynamic":
        one_scale = request["compatible_with"] == "tflite-runtime"
        quantized = quantize_dynamic(float_model, one_scale_for_dense=one_scale)
    else:
        quantized = quantize_int8(
            float_model, calibration, lambda done, of: progress("calibrate", done, of)
        )
    (folder / "quantized.tflite").write_bytes(quantized)
    progress("compare")
    write_source_outputs(folder / "source.npz", float_model, keras_model, sets)


def _load_keras(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever a file leads it to
        weights_only = path.suffix != ".keras" and "No model config" in str(error)
        raise SourceModelError(
            "source-weights-only" if weights_only else "source-corrupt",
            f"{path} holds weights without the model's structure"
            if weights_only
            else f"Keras cannot load {path}: {type(error).__name__}: {str(error)[:300]}",
            expected="a whole model",
            hint="build the model, load the weights into it, and save it with model.save('NAME.keras')",
        ) from error


def _to_float_tflite(model: Any) -> bytes:
    import tensorflow as tf

    try:
        converted: bytes = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    except Exception as error:  # TensorFlow's converter raises its own zoo
        raise ConversionError(
            "float-conversion",
            f"TensorFlow's converter failed: {type(error).__name__}: {str(error)[:500]}",
            hint="remove the layer that the message names; it has no TFLite operator",
        ) from error
    return converted


if __name__ == "__main__":
    sys.exit(main())
