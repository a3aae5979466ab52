"""Which weights of a Keras model are pruned, and along which axes they are quantized.

Imports Keras, with whatever backend it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from liteship.conversion.shrinking.schedule import least_prunable

if TYPE_CHECKING:
    from collections.abc import Iterator

_layers = keras.layers
_DEPTHWISE = (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D)
_TRANSPOSED = (_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose)
_CONVOLUTIONS = (_layers.Conv1D, _layers.Conv2D, _layers.Conv3D)
_SEPARABLE = (_layers.SeparableConv1D, _layers.SeparableConv2D)
_CELLS = (_layers.LSTMCell, _layers.GRUCell, _layers.SimpleRNNCell)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A weight that multiplies: what pruning and quantization are about.

    Attributes:
        variable: The Keras variable.
        prunable: Whether pruning takes it. Not what is small (`least_prunable`), nor the kernels of
            depthwise convolutions: a small part of a model, with a handful of weights a channel.
        channel_axes: The axes that have an int8 scale for each index; empty where it is not known how
            the converter lays the weight out.
    """

    variable: Any
    prunable: bool
    channel_axes: tuple[int, ...]


def kernels(model: Any) -> list[Kernel]:
    """Every trainable kernel of a built model, those of its inner models and layers too, each once."""
    found: dict[int, tuple[Any, bool, tuple[int, ...]]] = {}
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001  # no public way
        for variable, depthwise, axes in _kernels_of(layer):
            # Where Keras' LoRA is on, a kernel is a product and no variable
            if isinstance(variable, keras.Variable) and variable.trainable:
                found.setdefault(id(variable), (variable, depthwise, axes))
    least = least_prunable(
        math.prod(variable.shape) for variable, depthwise, _ in found.values() if not depthwise
    )
    return [
        Kernel(
            variable=variable,
            prunable=not depthwise and math.prod(variable.shape) >= least,
            channel_axes=axes,
        )
        for variable, depthwise, axes in found.values()
    ]


def _kernels_of(layer: Any) -> Iterator[tuple[Any, bool, tuple[int, ...]]]:
    """A layer's kernels: the variable, whether it is depthwise, the axes of its channels."""
    if isinstance(layer, _SEPARABLE):
        yield layer.depthwise_kernel, True, (-2, -1)
        yield layer.pointwise_kernel, False, (-1,)
    elif isinstance(layer, _DEPTHWISE):
        yield layer.kernel, True, (-2, -1)
    elif isinstance(layer, _TRANSPOSED):
        yield layer.kernel, False, (-2,)
    elif isinstance(layer, (*_CONVOLUTIONS, _layers.Dense)):
        yield layer.kernel, False, (-1,)
    elif isinstance(layer, _layers.EinsumDense):
        yield layer.kernel, False, ()
    elif isinstance(layer, _layers.Embedding):
        yield layer.embeddings, False, ()
    elif isinstance(layer, _CELLS):
        yield layer.kernel, False, ()
        yield layer.recurrent_kernel, False, ()
