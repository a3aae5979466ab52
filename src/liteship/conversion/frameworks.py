"""Which framework a source format needs, and the Python that has it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from typing import TYPE_CHECKING

from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.conversion.sources import SourceFormat

_TENSORFLOW = ("keras", ("tensorflow", "keras"))
_TORCH = ("torch", ("torch", "litert_torch"))

_NEEDS: dict[SourceFormat, tuple[str, tuple[str, ...]]] = {
    "keras": _TENSORFLOW,
    "h5": _TENSORFLOW,
    "saved-model": _TENSORFLOW,
    "torch-factory": _TORCH,
    "torch-export": _TORCH,
    "torchscript": _TORCH,
}
"""Extra of liteship's, and the modules that it brings, by source format."""

_TOOLS = ("ai-edge-litert", "keras", "litert-quantizer", "litert-torch", "tensorflow-cpu", "torch")


def python_for(source_format: SourceFormat, say: Callable[[str], None]) -> str:
    """The interpreter that can load a source of this format.

    Args:
        source_format: What the source is.
        say: Called with a line before anything is installed.

    Raises:
        ConfigurationError: `extra-missing`, with the command that installs it.
        ConversionError: What `environments.environment_for` raises.
    """
    _require("quantize", ("litert_quantizer", "jinja2", "zstandard"))
    if source_format == "onnx":
        from liteship.conversion.environments import environment_for

        return str(environment_for("onnx", say))
    if source_format in _NEEDS:
        _require(*_NEEDS[source_format])
    return sys.executable


def tool_versions() -> dict[str, str]:
    """Versions of the converters that are installed here, by distribution."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _require(extra: str, modules: tuple[str, ...]) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            "extra-missing",
            f"this conversion needs packages that are not installed: {', '.join(missing)}",
            hint=f"pip install 'liteship[{extra},tool]'",
        )
