"""Whole Keras models: `.keras` archives and `.h5` files.

Imports TensorFlow and Keras: runs in the conversion's child process only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.conversion.sources.exported import Exported, ExportOptions
from liteship.conversion.sources.tensorflow_graph import convert_function, runner, shaped
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from liteship.conversion.shrinking import ShrinkOptions


def export(
    source: str, _source_format: str, options: ExportOptions, progress: Callable[..., None]
) -> Exported:
    """Loads the model and converts it.

    Raises:
        SourceModelError: `source-corrupt`, `source-weights-only`, `source-input-shape` or
            `shape-open`.
        ConversionError: `float-conversion`.
    """
    model = load(Path(source))
    progress("float")
    return exported(model, options)


def exported(model: Any, options: ExportOptions) -> Exported:
    """A loaded Keras model, converted; as `export`."""
    import tensorflow as tf

    # TensorFlow passes inputs as keyword arguments, so their names become identifiers
    names = [re.sub(r"\W", "_", str(tensor.name).partition(":")[0]) for tensor in model.inputs]
    specs = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        for name, tensor in zip(names, model.inputs, strict=True)
    }
    # As model.export names them
    outputs = [f"output_{index}" for index in range(len(model.outputs))]

    def arranged(inputs: Mapping[str, Any]) -> Any:
        ordered = [inputs[name] for name in names]  # Keras takes them flat, whatever their structure
        return ordered[0] if len(ordered) == 1 else ordered

    def call(**inputs: Any) -> dict[str, Any]:
        answer = model(arranged(inputs), training=False)
        return dict(zip(outputs, tf.nest.flatten(answer), strict=True))

    def tuned(
        inputs: Mapping[str, NDArray[np.generic]],
        labels: NDArray[Any],
        shrinking: ShrinkOptions,
        progress: Callable[..., None],
    ) -> bytes:
        from liteship.conversion.shrinking.fine_tune import shrink_keras

        given = {str(t.name): inputs[name] for t, name in zip(model.inputs, names, strict=True)}
        better = shrink_keras(model, given, labels, shrinking, progress)
        return exported(better, options).float_model

    function = tf.function(call, autograph=False).get_concrete_function(
        **shaped(specs, options.input_shapes)
    )
    return Exported(
        float_model=convert_function(function),
        run=runner(function),
        outputs=tuple(outputs),
        tuned=tuned,
    )


def load(path: Path) -> Any:
    """The Keras model in a file.

    Raises:
        SourceModelError: `source-corrupt` or `source-weights-only`.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
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
