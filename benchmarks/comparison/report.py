"""What was measured, as JSON, as Markdown tables and as plots."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from benchmarks.comparison.contestants import CLIENTS, FOR_ITSELF, FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.comparison.contestants import Contestant
    from benchmarks.comparison.inference import Alone
    from benchmarks.comparison.measuring import Figures
    from benchmarks.comparison.verdicts import Verdict

    Measured = Mapping[tuple[str, str], Figures]

HELD_ELSEWHERE = """Batches (8) and LiteRT's options (11) are chosen for each artifact by
measurement: `liteship bench`. Modules (10), opened files and the size of the image (9) are held
by tests: docs/performance.md."""
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def machine() -> dict[str, Any]:
    """What it was measured on, and what else ran then."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {name.strip(): value for name, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", fields.get("Features", "")).split()
    vectors = [
        each for each in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimddp") if each in flags
    ]
    return {
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "vector_instructions": vectors,
        "python": platform.python_version(),
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def write(
    folder: Path,
    everyone: Sequence[Contestant],
    measured: Measured,
    alone: Mapping[str, Sequence[Alone]],
    verdicts: Sequence[Verdict],
    machines: Mapping[str, dict[str, Any]],
) -> str:
    """Writes `comparison.json`, `comparison.md` and the plots; returns the Markdown.

    Args:
        folder: Where to; made where it is missing.
        everyone: Who was measured.
        measured: What came of it.
        alone: Inference without a server, by model, one value a round.
        verdicts: The targets, and what was reached.
        machines: `machine()` before and after.
    """
    folder.mkdir(parents=True, exist_ok=True)
    raw = {
        "machine": machines,
        "inference_alone": {
            model: [each._asdict() for each in found] for model, found in alone.items()
        },
        "figures": [
            {
                "name": each.name,
                "kind": each.kind,
                "model": each.model,
                "installed_bytes": each.installed_bytes,
                **asdict(measured[each.name, each.model]),
            }
            for each in everyone
        ],
        "verdicts": [each._asdict() for each in verdicts],
    }
    (folder / "comparison.json").write_text(json.dumps(raw, indent=1) + "\n")
    parts = [_introduction(machines, alone), _verdict_table(verdicts)]
    models = list(dict.fromkeys(each.model for each in everyone))
    for model in models:
        contestants = [each for each in everyone if each.model == model]
        parts += [f"## {model}", _cold_table(contestants, measured)]
        parts += [_warm_table(contestants, measured), _load_table(contestants, measured)]
    text = "\n\n".join(filter(None, parts)) + "\n"
    (folder / "comparison.md").write_text(text)
    _plot_all(folder, everyone, measured)
    return text


def middle(values: Sequence[float]) -> float:
    """The median; NaN where nothing was measured."""
    return statistics.median(values) if values else float("nan")


def _introduction(
    machines: Mapping[str, dict[str, Any]], inference: Mapping[str, Sequence[Alone]]
) -> str:
    after, before = machines["after"], machines["before"]
    vectors = ", ".join(after["vector_instructions"]) or "no vector instructions known"
    alone = "; ".join(
        f"{model} {middle([each.cpu_ms for each in found]):.3f} ms"
        for model, found in inference.items()
    )
    return (
        "# Comparison\n\nMedians, the least of all rounds in parentheses; CPU time is that of all "
        f"processes of a server.\n{after['architecture']}, {after['cpus']} CPUs ({vectors}), "
        f"Python {after['python']}, "
        f"{after['measured_at']}; load average before {before['load_average'][0]}, after "
        f"{after['load_average'][0]}.\nInference alone, CPU: {alone}."
    )


def _verdict_table(verdicts: Sequence[Verdict]) -> str:
    rows = [
        (
            each.number,
            each.what,
            each.target,
            each.measured,
            "reached" if each.is_reached else "**missed**",
        )
        for each in verdicts
    ]
    rows_text = table(("", "what", "target", "measured", "verdict"), rows)
    return f"## Targets\n\n{rows_text}\n\n{HELD_ELSEWHERE}"


def _cold_table(contestants: Sequence[Contestant], measured: Measured) -> str:
    rows = []
    for each in contestants:
        figures = measured[each.name, each.model]
        rows.append(
            (
                each.name,
                each.kind,
                f"{each.installed_bytes / 1e6:.0f}",
                _least(figures.cold_cpu_ms, 0),
                _least(figures.cold_ms, 0),
                f"{max(figures.peak_mib, default=0):.0f}",
            )
        )
    columns = ("", "", "installed, MB", "cold start, CPU ms", "cold start, ms", "peak, MiB")
    return table(columns, rows)


def _warm_table(contestants: Sequence[Contestant], measured: Measured) -> str:
    asked = {form for each in contestants for form in measured[each.name, each.model].warm_cpu_ms}
    forms = [each for each in FORMS if each in asked] + sorted(asked - {*FORMS})
    rows = []
    for each in contestants:
        warm = measured[each.name, each.model].warm_cpu_ms
        rows.append((each.name, *(_least(warm.get(form, []), 2) for form in forms)))
    return "CPU ms a request, one client:\n\n" + table(("", *forms), rows)


def _load_table(contestants: Sequence[Contestant], measured: Measured) -> str:
    rows = []
    for each in contestants:
        load = measured[each.name, each.model].load
        if load:
            cells = [
                f"{middle(load[clients].requests_per_s):.0f} ({middle(load[clients].p99_ms):.1f})"
                for clients in CLIENTS
            ]
            rows.append((each.name, each.questions[0].form, *cells))
    if not rows:
        return ""
    columns = ("", "form", *(f"{each} client{'s' * (each > 1)}" for each in CLIENTS))
    return "Requests a second (99th percentile, ms):\n\n" + table(columns, rows)


def _least(values: Sequence[float], digits: int) -> str:
    return f"{middle(values):.{digits}f} ({min(values):.{digits}f})" if values else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plot_all(folder: Path, everyone: Sequence[Contestant], measured: Measured) -> None:
    tiny = [
        (each, measured[each.name, each.model])
        for each in everyone
        if each.model == "tiny" and each.name not in FOR_ITSELF
    ]
    warm = [(each, min(map(middle, of.warm_cpu_ms.values()), default=0.0)) for each, of in tiny]
    plots: dict[str, tuple[str, list[tuple[Contestant, float]]]] = {
        "cold_start": ("Cold start, CPU ms", [(each, middle(of.cold_cpu_ms)) for each, of in tiny]),
        "request": ("CPU ms a request, in the cheapest form", warm),
        "memory": ("Peak memory, MiB", [(each, max(of.peak_mib, default=0)) for each, of in tiny]),
        "installed": ("Installed, MB", [(each, each.installed_bytes / 1e6) for each, _ in tiny]),
    }
    template = _TEMPLATES.get_template("bars.svg.j2")
    for name, (title, values) in plots.items():
        ordered = sorted(values, key=lambda pair: pair[1])
        most = max(value for _, value in ordered)
        bars = [
            {
                "name": each.name,
                "is_ours": each.name.startswith("liteship"),
                "width": value / most,
                "text": f"{value:.2f}" if most < 20 else f"{value:,.0f}",
            }
            for each, value in ordered
        ]
        (folder / f"{name}.svg").write_text(template.render(title=title, bars=bars))
