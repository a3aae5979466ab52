"""Compares a converted model with its source, through the very runtime that is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]

SAMPLES = 5


def samples_for(float_model: bytes) -> Arrays:
    """Seeded samples of shape (samples, …) for each input; integers are ids from 0 to 39."""
    rng = np.random.default_rng(1)
    samples: Arrays = {}
    for name, spec in create_interpreter(float_model).inputs.items():
        shape = (SAMPLES, *spec.item_shape[1:])
        values = rng.normal(size=shape) if spec.dtype == "float32" else rng.integers(0, 40, shape)
        samples[name] = values.astype(spec.dtype)
    return samples


def greatest_difference(
    float_model: bytes, samples: Arrays, expected: dict[str, NDArray[np.float32]]
) -> float:
    """Over all outputs of all samples; shapes must be equal too."""
    interpreter = create_interpreter(float_model)
    assert set(expected) == set(interpreter.outputs)
    greatest = 0.0
    for index in range(SAMPLES):
        answers = interpreter.invoke(
            {name: each[index : index + 1].tobytes() for name, each in samples.items()}
        )
        for name, data in answers.items():
            spec = interpreter.outputs[name]
            answer = np.frombuffer(data, spec.dtype).reshape(spec.item_shape[1:])
            assert answer.shape == expected[name][index].shape
            greatest = max(greatest, float(np.abs(answer - expected[name][index]).max()))
    return greatest
