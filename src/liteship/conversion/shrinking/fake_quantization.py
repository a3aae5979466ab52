"""Fake quantization: float arithmetic that rounds as int8 will, so that training learns to bear it.

Gradients pass the rounding as if it were not there (straight-through estimator: Bengio et al. 2013,
https://arxiv.org/abs/1308.3432; for integer inference: Jacob et al. 2017,
https://arxiv.org/abs/1712.05877). Imports Keras, with whatever backend it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAYERS_THAT_READ_INT8 = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Add,
    keras.layers.Concatenate,
    keras.layers.Multiply,
)
"""Whose inputs stand in memory as int8, whatever the converter fuses: it folds a BatchNormalization and
a ReLU into the layer before, so what lies between these is never rounded, but what they give is."""


def fake_quantize_weights(weights: Any, channel_axes: Sequence[int]) -> Any:
    """Rounds a kernel as the quantizer will: symmetric int8, one scale a channel.

    A BatchNormalization that will be folded into the kernel changes nothing: it scales whole channels.

    Args:
        weights: float32 tensor.
        channel_axes: The axes that have a scale for each index.

    Returns:
        float32 tensor of the same shape; zero stays zero.
    """
    axes = {axis % len(weights.shape) for axis in channel_axes}
    others = [axis for axis in range(len(weights.shape)) if axis not in axes]
    greatest = ops.max(ops.abs(weights), axis=others, keepdims=True)
    scale = ops.maximum(greatest, 1e-12) / 127
    return _straight_through(weights, ops.round(weights / scale) * scale)


def fake_quantize_activations(values: Any) -> Any:
    """Rounds a batch of activations as the quantizer will: int8 with a zero point, one scale for all.

    Args:
        values: float32 tensor. Its true minimum and maximum give the scale, as in calibration.

    Returns:
        float32 tensor of the same shape.
    """
    least = ops.minimum(ops.min(values), 0.0)
    greatest = ops.maximum(ops.max(values), 0.0)
    scale = ops.maximum(greatest - least, 1e-12) / 255
    zero_point = ops.round(-least / scale)
    return _straight_through(values, (ops.round(values / scale + zero_point) - zero_point) * scale)


def _straight_through(values: Any, rounded: Any) -> Any:
    return values + ops.stop_gradient(rounded - values)


class FakeQuantized(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """`fake_quantize_activations` as a layer without weights."""

    def call(self, inputs: Any) -> Any:
        """Rounds floating-point inputs; token ids and the like pass."""
        return fake_quantize_activations(inputs) if "float" in str(inputs.dtype) else inputs


def with_fake_quantized_activations(model: Any) -> Any:
    """A model of the same layers, and so of the same variables, that rounds its activations.

    Args:
        model: A Functional or Sequential Keras model. In its inner models, activations are not rounded.

    Returns:
        A model to train; what its variables learn is in `model` too.
    """

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, _LAYERS_THAT_READ_INT8):
            args = keras.tree.map_structure(rounded_input, args)
        return layer(*args, **kwargs)

    def rounded_input(values: Any) -> Any:
        return FakeQuantized()(values)

    functional = keras.Model(model.inputs, model.outputs)
    return keras.models.clone_model(functional, clone_function=lambda layer: layer, call_function=call)
