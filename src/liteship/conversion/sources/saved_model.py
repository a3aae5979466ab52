"""SavedModel folders, from `model.export` and from `tf.saved_model.save`.

Imports TensorFlow: runs in the conversion's child process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liteship.conversion.sources.exported import Exported, ExportOptions
from liteship.conversion.sources.tensorflow_graph import convert_function, runner, shaped
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_DEFAULT = "serving_default"


def export(
    source: str, _source_format: str, options: ExportOptions, progress: Callable[..., None]
) -> Exported:
    """Loads one signature and converts it.

    Raises:
        SourceModelError: `source-corrupt`, `signature-missing`, `signature-unknown`,
            `source-input-shape` or `shape-open`.
        ConversionError: `float-conversion`.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(source)
    except Exception as error:  # TensorFlow raises whatever a folder leads it to
        raise SourceModelError(
            "source-corrupt",
            f"TensorFlow cannot load {source}: {type(error).__name__}: {str(error)[:300]}",
            expected="a whole SavedModel folder",
            hint="export it again: model.export(FOLDER), or tf.saved_model.save(module, FOLDER, "
            "signatures=…)",
        ) from error
    signature = _choose(source, model.signatures, options.signature)
    progress("float")
    specs = signature.structured_input_signature[1]

    outputs = sorted(signature.structured_outputs)

    def call(**inputs: Any) -> Any:
        return signature(**inputs)

    function = tf.function(call, autograph=False).get_concrete_function(
        **shaped(specs, options.input_shapes)
    )

    return Exported(
        float_model=convert_function(function), run=runner(function), outputs=tuple(outputs)
    )


def _choose(source: str, signatures: Mapping[str, Any], wanted: str | None) -> Any:
    names = sorted(signatures)
    if not names:
        raise SourceModelError(
            "signature-missing",
            f"{source} has no signature, so nothing says what it takes",
            expected="at least one signature",
            hint="save it with tf.saved_model.save(module, FOLDER, signatures=module.call."
            "get_concrete_function(x=tf.TensorSpec(…)))",
        )
    chosen = wanted or (_DEFAULT if _DEFAULT in names else names[0] if len(names) == 1 else None)
    if chosen not in names:
        raise SourceModelError(
            "signature-unknown",
            f"{source} has no signature {chosen}"
            if chosen
            else f"{source} has several signatures, and none is {_DEFAULT}",
            expected=f"one of {', '.join(names)}",
            received=chosen or "no choice",
            hint="choose with --signature NAME",
        )
    return signatures[chosen]
