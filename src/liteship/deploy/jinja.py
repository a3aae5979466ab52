"""How every rendered file is made of its template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from pathlib import Path


def templates_in(folder: Path) -> Environment:
    """The templates of one folder, for YAML and makefiles: values are quoted as JSON by `tojson`."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=False,  # noqa: S701  # no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Jinja's own escapes < > & ', for HTML
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment
