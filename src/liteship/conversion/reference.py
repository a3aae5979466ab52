"""What the source model itself answers: the yardstick of a conversion.

Pictures are normalised by the formula, in float32, without the tables of the deployed path: an
independent second way, so that a mistake in either shows as a loss of accuracy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import Preprocessing, TensorSpec
    from liteship.conversion.data import Evaluation

    Arrays = Mapping[str, NDArray[np.generic]]


def normalized_inputs(
    evaluation: Evaluation, specs: Sequence[TensorSpec], preprocessing: Preprocessing
) -> Arrays:
    """Held-out samples as the source model takes them.

    Args:
        evaluation: Samples as callers send them.
        specs: The source model's inputs.
        preprocessing: From request to tensor.

    Returns:
        float32 arrays of shape (samples, height, width, channels) for pictures, else the samples
        themselves.
    """
    if preprocessing.kind != "image":
        return cast("Arrays", evaluation.inputs)  # pictures alone differ in size
    spec = specs[0]
    _, height, width, channels = spec.item_shape
    mode = "L" if preprocessing.color == "L" else "RGB"
    resampling = Image.Resampling[preprocessing.resize.upper()]
    rows = []
    for array in evaluation.inputs[spec.name]:
        picture = to_picture(array).convert(mode)
        if picture.size != (width, height):
            picture = picture.resize((width, height), resampling)
        pixels = np.asarray(picture, np.float32).reshape(height, width, channels)
        rows.append(pixels[..., ::-1] if preprocessing.color == "BGR" else pixels)
    mean, std = np.array(preprocessing.mean, np.float32), np.array(preprocessing.std, np.float32)
    return {spec.name: (np.stack(rows) - mean) / std}


def to_picture(array: NDArray[np.generic]) -> Image.Image:
    """A uint8 array of shape (height, width[, 1 or 3]) as a picture."""
    grey = array.ndim == 3 and array.shape[-1] == 1
    return Image.fromarray(array[..., 0] if grey else array)


def run_float_model(float_model: bytes, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """What a float `.tflite` answers.

    Args:
        float_model: Content of the file.
        inputs: Arrays of shape (samples, …) by input name.

    Returns:
        float32 arrays of shape (samples, …) by output name.
    """
    interpreter = create_interpreter(float_model)
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in interpreter.outputs}
    for index in range(len(next(iter(inputs.values())))):
        answer = interpreter.invoke({name: each[index].tobytes() for name, each in inputs.items()})
        for name, data in answer.items():
            spec = interpreter.outputs[name]
            values = np.frombuffer(data, spec.dtype).astype(np.float32)
            rows[name].append(values.reshape(spec.item_shape[1:]))
    return {name: np.stack(values) for name, values in rows.items()}
