"""Makes a model smaller than quantization alone: pruning, clustering, quantization-aware fine-tuning.

`MagnitudePruning` is a Keras callback for users' own training scripts. Everything else runs in the
conversion's child process; a framework is imported by the module that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.conversion.shrinking.options import ShrinkOptions

if TYPE_CHECKING:
    from liteship.conversion.shrinking.keras_pruning import MagnitudePruning

__all__ = ["MagnitudePruning", "ShrinkOptions"]


def __getattr__(name: str) -> object:
    if name == "MagnitudePruning":  # imports Keras
        from liteship.conversion.shrinking.keras_pruning import MagnitudePruning

        return MagnitudePruning
    msg = f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
    raise AttributeError(msg)
