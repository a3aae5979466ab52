"""`liteship bench`: what a run of a model costs on this machine, and which options to take."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liteship.artifact import Artifact
from liteship.artifact.tensors import real_numbers
from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.config.writing import write_runtime
from liteship.conversion.speed import (
    Candidate,
    Cost,
    best_batching,
    dot_products,
    measure_costs,
)
from liteship.packaging.quotas import ONE_CPU_MIB
from liteship.project import load_function
from liteship.runtime.backends.litert_c import LiteRtCInterpreter
from liteship.runtime.cpu_quota import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.project import FunctionFolder

SHORTER = 0.7
"""Part of one thread's time that more threads may take at most: two take 0.54 of MobileNetV2's on idle
cores."""

ITEMS = (2, 4, 8, 16, 32, 64, 128)


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    write: Annotated[
        bool, typer.Option("--write", help="Set runtime.threads and runtime.batching.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure a model's runs by threads and by items a run, and recommend what to set.

    Without a server, and on this machine's processor: what pays here need not on another. Takes some
    seconds.

    Examples:
        liteship bench digits

        liteship bench digits --write --json
    """
    function = load_function(name)
    artifact = Artifact.load(function.model_folder)
    run = artifact.model, artifact.golden_tensors
    cpus = usable_cpus()
    by_threads = [Candidate(threads=count) for count in (2, 4, 8) if count <= cpus]
    most = function.config.runtime.max_batch if artifact.manifest.is_batched else 1
    by_items = [Candidate(items=count) for count in ITEMS if count <= most]
    with stderr.status("measuring"):
        one, *costs = measure_costs(*run, [Candidate(), *by_threads, *by_items])
        twin = _float_twin(function, artifact)
        (float_cost,) = measure_costs(*twin, [Candidate()]) if twin else (None,)
    threaded = [each for each in costs if each.candidate.threads > 1]
    batched = [each for each in costs if each.candidate.items > 1]
    threads = best_threads([one, *threaded], function.config.runtime.memory_mib)
    batching = best_batching([one, *batched])
    chosen: dict[str, int | str] = {"threads": threads, "batching": batching if batching > 1 else "off"}
    if write:
        write_runtime(function.folder / "function.toml", chosen)
    dots = dot_products(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    if json:
        print_json(
            {
                "function": name,
                "scheme": artifact.manifest.scheme,
                "cpus": cpus,
                "int8_dot_products": dots,
                "candidates": [_fields(each) for each in (one, *costs)],
                "float32": _fields(float_cost) if float_cost else None,
                "recommended": chosen,
                "written": write,
            }
        )
        return
    rows = [_row(artifact.manifest.scheme, each, one) for each in (one, *costs)]
    if float_cost:
        rows.append(_row("float32", float_cost, one))
    print_table(
        f"{name}: ms an item, on {cpus} CPUs",
        ("scheme", "threads", "items", "CPU", "least", "time", "least", "CPU ×"),
        rows,
    )
    for each in costs:
        if not each.is_exact:
            way = f"{each.candidate.threads} threads and {each.candidate.items} items a run"
            console.print(f"With {way} the answers differ from one item's alone.", highlight=False)
    console.print(_about_int8(artifact.manifest.scheme, dots), highlight=False)
    told = ", ".join(f"runtime.{key} = {value}" for key, value in chosen.items())
    console.print(
        f"[bold]{told}[/bold]: " + ("written to function.toml." if write else "--write sets it."),
        highlight=False,
    )


def best_threads(costs: Sequence[Cost], memory_mib: int) -> int:
    """The most threads that pay, of as many as Lambda gives CPUs.

    On a cluster and wherever requests are answered at once, the other CPUs have other requests.

    Args:
        costs: Of one item on one thread first, then on more.
        memory_mib: The function's.
    """
    one, *more = costs
    paying = [
        each.candidate.threads
        for each in more
        if each.candidate.threads * ONE_CPU_MIB <= memory_mib
        and each.is_exact
        and each.median_wall_ms <= SHORTER * one.median_wall_ms
    ]
    return max(paying, default=1)


def _float_twin(function: FunctionFolder, artifact: Artifact) -> tuple[bytes, dict[str, bytes]] | None:
    """The float model that the artifact was made of, and its golden item, where there is one to run."""
    source = function.folder / function.config.model.source
    if source.suffix != ".tflite" or not source.is_file():
        return None
    model = source.read_bytes()
    specs = {spec.name: spec for spec in artifact.manifest.inputs}
    found = LiteRtCInterpreter(model).inputs
    if artifact.manifest.scheme == "float32" or found.keys() != specs.keys():
        return None
    item = {}
    for name, data in artifact.golden_tensors.items():
        if found[name].dtype != "float32" or found[name].elements != specs[name].elements:
            return None
        item[name] = array("f", real_numbers(data, specs[name])).tobytes()
    return model, item


def _about_int8(scheme: str, dots: bool) -> str:
    if not scheme.startswith("int8"):
        return f"The artifact is {scheme}."
    if dots:
        return "This processor has dot products of 8-bit integers: int8 can be faster, too."
    return "This processor has no dot products of 8-bit integers: int8 is smaller, hardly faster."


def _fields(cost: Cost) -> dict[str, Any]:
    return {
        "threads": cost.candidate.threads,
        "items": cost.candidate.items,
        "cpu_ms": round(cost.median_cpu_ms, 5),
        "least_cpu_ms": round(cost.least_cpu_ms, 5),
        "wall_ms": round(cost.median_wall_ms, 5),
        "least_wall_ms": round(min(cost.wall_ms), 5),
        "exact": cost.is_exact,
    }


def _row(scheme: str, cost: Cost, one: Cost) -> list[object]:
    fields = _fields(cost)
    return [
        scheme,
        fields["threads"],
        fields["items"],
        *(f"{fields[key]:.4f}" for key in ("cpu_ms", "least_cpu_ms", "wall_ms", "least_wall_ms")),
        f"{cost.median_cpu_ms / one.median_cpu_ms:.2f}",
    ]
