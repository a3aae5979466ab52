"""Prunes a float `.tflite` in one shot: for sources that cannot be fine-tuned.

Without training, little can go: see decision record 11. Runs in the conversion's child process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator

from liteship.conversion.shrinking.schedule import least_prunable, magnitude_mask, require_sparsity
from liteship.conversion.shrinking.weights import constant_tensors
from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from liteship.conversion.shrinking.weights import ConstantTensor

_WEIGHTS = {
    (BuiltinOperator.FULLY_CONNECTED, 1),
    (BuiltinOperator.CONV_2D, 1),
    (BuiltinOperator.CONV_3D, 1),
    (BuiltinOperator.CONV_3D_TRANSPOSE, 1),
    (BuiltinOperator.TRANSPOSE_CONV, 1),
    (BuiltinOperator.BATCH_MATMUL, 1),
    *((BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, position) for position in range(1, 9)),
}
"""Operators and the position of their weights, as in LiteRT's kernels. Not depthwise convolutions."""


def prune_float_tflite(model: bytes, sparsity: float) -> bytes:
    """Sets the smallest weights of each layer to zero.

    Args:
        model: Content of a float32 `.tflite`.
        sparsity: Share of each weight tensor that goes, from 0, below 1.

    Returns:
        The model with other weights, of the same size.

    Raises:
        ConfigurationError: `sparsity-invalid`.
        SourceModelError: `nothing-to-prune`.
    """
    require_sparsity(sparsity)
    content = bytearray(model)
    weights = [each for each in constant_tensors(content) if _is_weight(each)]
    least = least_prunable(each.data.size // 4 for each in weights)
    tensors = [each for each in weights if each.data.size // 4 >= least]
    if not tensors:
        raise SourceModelError(
            "nothing-to-prune",
            "the model has no float32 weights that can be pruned",
            expected="a dense layer or convolution with 1,024 weights",
            hint="leave pruning out: a model this small has little to give",
        )
    for tensor in tensors:
        values = tensor.data.view(np.float32)
        values[~magnitude_mask(values, sparsity)] = 0
    return bytes(content)


def _is_weight(tensor: ConstantTensor) -> bool:
    return tensor.dtype == "float32" and not _WEIGHTS.isdisjoint(tensor.readers)
