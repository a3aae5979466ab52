"""Quotes the last whole comparison in README.md and docs/performance.md.

python -m benchmarks.comparison.summary
"""

from __future__ import annotations

import json
import re
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.comparison.contestants import FOR_ITSELF
from benchmarks.comparison.models import ROOT
from benchmarks.comparison.report import table

from liteship.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = ROOT / "benchmarks" / "results"
COLUMNS = (
    "",
    "cold start, CPU ms",
    "tiny model, CPU ms a request",
    "MobileNetV2, raw or binary",
    "MobileNetV2, JSON",
    "MobileNetV2, JPEG",
    "peak, MiB",
    "installed, MB",
)
BYTES, JSONS = ("raw", "V2 binary"), ("JSON", "V2 JSON")


def quote() -> None:
    """Writes the tables between their marks."""
    found = json.loads((RESULTS / "comparison.json").read_text())
    comparison = (RESULTS / "comparison.md").read_text()
    targets = comparison.partition("## Targets\n\n")[2].partition("\n\n## ")[0]
    for document, text in (
        (ROOT / "README.md", summary(found["figures"])),
        (ROOT / "docs" / "performance.md", targets),
    ):
        old = document.read_text()
        new = re.sub(
            r"(<!-- make bench -->\n).*?(<!-- end -->)",
            lambda marks, text=text: f"{marks[1]}{text}\n{marks[2]}",  # type: ignore[misc]
            old,
            flags=re.DOTALL,
        )
        replace_file(document, new.encode())


def summary(figures: Sequence[Mapping[str, Any]]) -> str:
    """One row a contestant: medians, of the tiny model where no other is named."""
    names = dict.fromkeys(each["name"] for each in figures if each["name"] not in FOR_ITSELF)
    rows = []
    for name in names:
        tiny, large = (
            next(each for each in figures if (each["name"], each["model"]) == (name, model))
            for model in ("tiny", "mobilenet")
        )
        title = f"**{name}**" if name.startswith("liteship") else name
        title += " (Lambda)" if tiny["kind"] == "Lambda" and "Lambda" not in name else ""
        rows.append(
            (
                title,
                f"{statistics.median(tiny['cold_cpu_ms']):.0f}",
                _request(tiny, tuple(tiny["warm_cpu_ms"])),
                _request(large, BYTES),
                _request(large, JSONS),
                _request(large, ("JPEG",)),
                f"{max(tiny['peak_mib']):.0f}",
                f"{tiny['installed_bytes'] / 1e6:.0f}",
            )
        )
    return table(COLUMNS, rows)


def _request(figures: Mapping[str, Any], forms: Sequence[str]) -> str:
    """CPU ms in the cheapest of some forms; empty where it answers none of them."""
    warm = figures["warm_cpu_ms"]
    costs = [statistics.median(warm[form]) for form in forms if form in warm]
    return f"{min(costs):.2f}" if costs else ""


if __name__ == "__main__":
    quote()
