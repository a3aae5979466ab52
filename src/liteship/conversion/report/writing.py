"""Writes the evidence as `report.html` and `report.json`.

The page is one file: its style and charts are in it, it runs no script and asks for nothing, and tells
the browser so (Content-Security-Policy). Names come from users' models and files: all are escaped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from liteship.conversion.report import formats, view
from liteship.files import replace_file

if TYPE_CHECKING:
    from liteship.conversion.report.evidence import Evidence

HTML_FILE, JSON_FILE = "report.html", "report.json"

_TEMPLATES = Path(__file__).with_name("templates")


def write_report(folder: Path, evidence: Evidence) -> None:
    """Writes both files, each beside its place and then renamed.

    Args:
        folder: Made where it is missing.
        evidence: What to show.

    Raises:
        OSError: The folder or the file system refuses.
    """
    replace_file(folder / JSON_FILE, render_json(evidence))
    replace_file(folder / HTML_FILE, render_html(evidence))


def render_json(evidence: Evidence) -> bytes:
    """The evidence for programs: UTF-8, finite numbers, the same order always."""
    text = json.dumps(evidence.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def render_html(evidence: Evidence) -> bytes:
    """The evidence for people: one HTML page, UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(formats.FILTERS)
    page = environment.get_template("report.html.j2").render(
        evidence=evidence,
        verdict=evidence.verdict,
        arranged=view.arrange(evidence),
        view=view,
    )
    # A file name that is not UTF-8 reaches Python as lone surrogates.
    return page.encode("utf-8", "backslashreplace")
