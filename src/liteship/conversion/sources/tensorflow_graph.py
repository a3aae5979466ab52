"""From a function of TensorFlow's to a float `.tflite` with the function's own names.

Imports TensorFlow: runs in the conversion's child process only.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from liteship.errors import ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def convert_function(function: Any) -> bytes:
    """Converts a concrete function to float TFLite.

    Its variables are frozen first: TensorFlow's converter takes a function that still refers to some,
    succeeds, and writes a model that answers garbage.

    Args:
        function: A concrete function that is called by keywords and returns a dict.

    Raises:
        ConversionError: `float-conversion`.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = function.structured_input_signature[1]
    outputs = sorted(function.structured_outputs)  # as tf.nest flattens a dict
    try:
        frozen = convert_variables_to_constants_v2(function)
        by_tensor = {spec.name: name for name, spec in specs.items()}
        order = [by_tensor[tensor.name.partition(":")[0]] for tensor in frozen.inputs]

        def call(**inputs: Any) -> dict[str, Any]:
            answers = frozen(*[inputs[name] for name in order])
            return dict(zip(outputs, answers, strict=True))

        # Once more, since what is frozen has forgotten the names of its inputs and outputs
        named = tf.function(call, autograph=False).get_concrete_function(
            **{name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
        )
        with tempfile.TemporaryDirectory(prefix="liteship-frozen-") as folder:
            # Saved here and not by the converter, which saves custom gradients, too, fails at some
            # (EfficientNet's), and then goes on without a signature
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(tf.Module(), folder, {"serving_default": named}, options)
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
