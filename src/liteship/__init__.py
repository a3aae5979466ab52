"""liteship: package ML models as functions that cost nothing while nobody calls them.

Executes at every cold start: it loads nothing outside the standard library, and nothing of liteship
until a public name is used.
"""

from __future__ import annotations

__version__ = "0.1.0"

_HOME = {
    "Artifact": "liteship.artifact",
    "Function": "liteship.runtime.function",
    "LiteshipError": "liteship.errors",
    "PipelineInput": "liteship.runtime.pipeline_code",
    "Predictor": "liteship.runtime.predictor",
    "convert": "liteship.conversion.api",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact import Artifact
    from liteship.conversion.api import convert
    from liteship.errors import LiteshipError
    from liteship.runtime.function import Function
    from liteship.runtime.pipeline_code import PipelineInput
    from liteship.runtime.predictor import Predictor

__all__ = [
    "Artifact",
    "Function",
    "LiteshipError",
    "PipelineInput",
    "Predictor",
    "__version__",
    "convert",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module 'liteship' has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
