"""From a function of TensorFlow's to a float `.tflite` with the function's own names.

Imports TensorFlow: runs in the conversion's child process only.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.errors import ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

_BATCH = 4
"""Samples that a source answers at once: of more, activations take more memory than the conversion."""


def shaped(specs: Mapping[str, Any], input_shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The inputs' specs with what the user says of their shapes.

    Args:
        specs: `tf.TensorSpec` by input name.
        input_shapes: Shapes by input name, the batch dimension included; the name may be empty where
            there is one input.

    Raises:
        SourceModelError: `source-input-shape` if a shape is not one of the model's, `shape-open` if a
            dimension other than the batch stays open.
    """
    import tensorflow as tf

    only = next(iter(specs)) if len(specs) == 1 else ""
    wanted = {name or only: shape for name, shape in input_shapes.items()}
    problems = [f"{name}: there is no such input" for name in wanted.keys() - specs.keys()]
    result = {}
    for name, spec in specs.items():
        fixed = tf.TensorShape(wanted.get(name, spec.shape))
        if not fixed.is_compatible_with(spec.shape):
            problems.append(f"{name}: the model takes {spec.shape}, not {fixed}")
        result[name] = tf.TensorSpec(fixed, spec.dtype, name=name)
    if problems:
        raise SourceModelError(
            "source-input-shape",
            "--input-shape does not fit the model",
            problems=problems,
            expected=", ".join(f"{name} {spec.shape}" for name, spec in specs.items()),
            hint="give NAME=1,224,224,3, the batch dimension included",
        )
    unknown = [name for name, spec in result.items() if spec.shape.rank is None]
    still_open = [
        name
        for name, spec in result.items()
        if spec.shape.rank is not None and None in spec.shape.as_list()[1:]
    ]
    if unknown or still_open:
        raise SourceModelError(
            "shape-open",
            "the model leaves the size of its input open, which TFLite's tensors cannot",
            problems=[f"{name}: {result[name].shape}" for name in unknown + still_open],
            expected="no open dimension but the first, the batch",
            hint="fix it with --input-shape, such as --input-shape 1,224,224,3",
        )
    return result


def runner(function: Any) -> Callable[[Arrays], dict[str, NDArray[np.float32]]]:
    """Runs a concrete function on any number of samples.

    Args:
        function: As `convert_function` takes it.

    Returns:
        Arrays of shape (samples, …) by input name in, float32 arrays by output name out.
    """
    import tensorflow as tf

    batches = {spec.shape[0] for spec in function.structured_input_signature[1].values()}
    size = _BATCH if batches == {None} else 1

    def run(inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        count = len(next(iter(inputs.values())))
        answers = [
            function(**{name: tf.constant(each[start : start + size]) for name, each in inputs.items()})
            for start in range(0, count, size)
        ]
        return {
            name: np.concatenate([np.asarray(answer[name], np.float32) for answer in answers])
            for name in answers[0]
        }

    return run


def convert_function(function: Any) -> bytes:
    """Converts a concrete function to float TFLite.

    It is saved with all its variables held by the object that is saved, and that is converted. Of a
    variable that is not, TensorFlow saves nothing: its converter succeeds, and writes a model that
    answers garbage. Freezing the variables into constants first is as right, but copies them several
    times: 11.6 GB for 100 million parameters, where this takes 2.0 GB (decision record 2).

    Args:
        function: A concrete function that is called by keywords and returns a dict.

    Raises:
        ConversionError: `float-conversion`.
    """
    import tensorflow as tf

    module = tf.Module()
    module.held = list(function.variables)
    # The converter, saving for itself, would save custom gradients, too, fail at some (EfficientNet's),
    # and go on without a signature
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        with tempfile.TemporaryDirectory(prefix="liteship-saved-") as folder:
            tf.saved_model.save(module, folder, {"serving_default": function}, options)
            converted: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    except Exception as error:  # TensorFlow's converter raises its own zoo
        text = str(error)
        recurrent = "TensorList" in text
        raise ConversionError(
            "float-conversion",
            f"TensorFlow's converter failed: {type(error).__name__}: {text[:500]}",
            hint="build LSTM and GRU layers with unroll=True; their loops have no TFLite operator"
            if recurrent
            else "remove the layer that the message names; it has no TFLite operator",
        ) from error
    return converted
