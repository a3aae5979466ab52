"""A float `.tflite` is its own export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from liteship.conversion.sources.exported import Exported, ExportOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def export(
    source: str, _source_format: str, _options: ExportOptions, progress: Callable[..., None]
) -> Exported:
    """Reads the file."""
    progress("float")
    return Exported(float_model=Path(source).read_bytes(), run=None)
