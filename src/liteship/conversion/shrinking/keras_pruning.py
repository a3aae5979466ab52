"""Magnitude pruning as a Keras 3 callback, for whoever trains the model.

tensorflow-model-optimization knows Keras 2 alone. Imports Keras, with whatever backend it has.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from liteship.conversion.shrinking.keras_layers import kernels
from liteship.conversion.shrinking.schedule import RAMP_END, Ramp, magnitude_mask, pruned_count
from liteship.errors import ConversionError, SourceModelError


class MagnitudePruning(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Sets the smallest weights to zero while a model trains, and keeps them there.

    In each kernel, the same share of the weights goes. Pruned are the kernels of dense, convolution,
    recurrent and embedding layers with at least 1,024 elements and a 64th of the largest one's; not
    biases, normalisation or depthwise convolutions. The mask is applied after every batch, so that a
    pruned weight is zero whatever the optimizer's momentum says, and once more at the end. A callback
    that restores older weights, such as EarlyStopping, must stand before this one.

        model.fit(x, y, epochs=30, callbacks=[MagnitudePruning(sparsity=0.9)])

    Args:
        sparsity: Share of the weights that are zero in the end, from 0, below 1.
        begin: Share of the training before which nothing is pruned.
        end: Share of the training after which the sparsity stays; until then it rises on the cubic
            ramp of Zhu and Gupta (https://arxiv.org/abs/1710.01878).

    Raises:
        ConfigurationError: `sparsity-invalid`.
        SourceModelError: `nothing-to-prune`, when training begins.
        ConversionError: `pruning-incomplete`, when training ends with too few zeros.
    """

    def __init__(self, sparsity: float = 0.8, *, begin: float = 0.0, end: float = RAMP_END) -> None:
        super().__init__()
        self.sparsity = sparsity
        self._span = {"begin": begin, "end": end}
        self._ramp = Ramp(sparsity, **self._span)
        self._masks: list[tuple[Any, Any]] = []
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begins at a sparsity of zero, also where the callback is used again."""
        self._ramp = Ramp(self.sparsity, **self._span)
        self._masks = []
        prunable_kernels(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Moves along the ramp also where the number of batches is not known beforehand."""
        self._epoch = epoch
        self._advance(epoch / self.params["epochs"])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Zeroes again what the optimizer has moved."""
        if self.params.get("steps"):
            done = self._epoch + (batch + 1) / self.params["steps"]
            self._advance(done / self.params["epochs"])
        self._apply()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Makes the sparsity exact: training may have stopped early, or old weights been restored."""
        self._renew(self.sparsity)
        self._apply()
        require_sparse(prunable_kernels(self.model), self.sparsity)

    def _advance(self, progress: float) -> None:
        sparsity = self._ramp.due(progress)
        if sparsity is not None:
            self._renew(sparsity)

    def _renew(self, sparsity: float) -> None:
        variables = prunable_kernels(self.model)
        self._masks = [(variable, mask_of(variable, sparsity)) for variable in variables]

    def _apply(self) -> None:
        for variable, mask in self._masks:
            variable.assign(keras.ops.multiply(variable, mask))


def prunable_kernels(model: Any) -> list[Any]:
    """The variables that pruning takes.

    Raises:
        SourceModelError: `nothing-to-prune`.
    """
    found = [kernel.variable for kernel in kernels(model) if kernel.prunable]
    if not found:
        raise SourceModelError(
            "nothing-to-prune",
            f"the model {model.name} has no layer that can be pruned",
            expected="a trainable dense, convolution, recurrent or embedding layer with 1,024 weights",
            hint="leave pruning out: a model this small has little to give",
        )
    return found


def mask_of(variable: Any, sparsity: float) -> Any:
    """The mask of a Keras variable: a tensor of its shape and dtype, 1 where a weight stays."""
    values = variable.numpy()
    return keras.ops.convert_to_tensor(magnitude_mask(values, sparsity), dtype=variable.dtype)


def require_sparse(variables: list[Any], sparsity: float) -> None:
    """Refuses kernels with more weights than they may have.

    Raises:
        ConversionError: `pruning-incomplete`.
    """
    problems = []
    for variable in variables:
        values = variable.numpy()
        zeros, wanted = int((values == 0).sum()), pruned_count(values.size, sparsity)
        if zeros < wanted or not np.isfinite(values).all():
            problems.append(f"{variable.path}: {zeros} of {values.size} weights are zero, not {wanted}")
    if problems:
        raise ConversionError(
            "pruning-incomplete",
            "weights that were pruned are not zero",
            problems=problems,
            hint="if the loss was NaN, train with a smaller learning rate",
        )
