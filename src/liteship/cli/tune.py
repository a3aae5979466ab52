"""`liteship tune`: which of Lambda's memory sizes to take, measured on the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from liteship.cli.exits import end_on_sigterm
from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.cli.plots import curves
from liteship.deploy.local.emulator import find_emulator
from liteship.deploy.measuring.advice import (
    COLD_SHARE,
    Alternative,
    Recommendation,
    Traffic,
    alternatives,
    cost_of,
    recommend,
)
from liteship.deploy.measuring.container import count_processors
from liteship.deploy.measuring.measure import measure, typical_event
from liteship.deploy.measuring.prices import REGION, prices_as_of, require_region
from liteship.deploy.measuring.tune import (
    SAMPLES,
    SIZES_MIB,
    Size,
    measure_sizes,
    parse_sizes,
    percentile,
    tuned_image,
)
from liteship.packaging.quotas import MIB
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    requests_per_month: Annotated[
        int, typer.Option(help="Requests to reckon with.", min=1)
    ] = 1_000_000,
    target_p99_ms: Annotated[
        float | None, typer.Option(help="What 99 of 100 warm requests must keep to.", min=0.001)
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="The image; by default what `package --as image` builds.")
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="What to build that image on, where it is missing.")
    ] = None,
    sizes: Annotated[str, typer.Option(help="Memory sizes in MiB.")] = ",".join(map(str, SIZES_MIB)),
    samples: Annotated[int, typer.Option(help="Warm requests a size.", min=10, max=100_000)] = SAMPLES,
    cold_share: Annotated[
        float, typer.Option(help="Requests that meet a cold start, 0-1.", min=0, max=1)
    ] = COLD_SHARE,
    region: Annotated[str, typer.Option(help="Whose list prices count.")] = REGION,
    json: Json = False,
) -> None:
    """Measure a function's image with the processor and memory of Lambda's sizes, and recommend one.

    Start, latency and memory are measured in Docker under AWS's emulator; a month's cost follows from
    list prices, without a free tier. Takes about two minutes.

    Examples:
        liteship tune digits --requests-per-month 2000000 --target-p99-ms 50

        liteship tune digits --sizes 256,512 --samples 300 --json
    """
    function = load_function(name)
    sizes_mib = parse_sizes(sizes)
    require_region(region)
    traffic = Traffic(requests=requests_per_month, cold_share=cold_share, region=region)
    end_on_sigterm()  # else containers outlive us
    processors, emulator = count_processors(), find_emulator(function.root)
    with stderr.status("looking for the image, or building it") as status:
        reference = tuned_image(function, image, base_image)
        status.update("measuring the worst input's memory")
        worst = measure(function)
        found = measure_sizes(
            *(function, reference, emulator, processors, sizes_mib, samples),
            lambda memory_mib: status.update(f"measuring {memory_mib:,} MiB"),
        )
    costs = {
        each.memory_mib: cost_of(each, function.config, traffic).total_usd
        for each in found
        if each.warm_ms
    }
    advice = recommend(
        found, costs, function.config, target_p99_ms=target_p99_ms, worst_peak_bytes=worst.peak_bytes
    )
    chosen = next((each for each in found if each.memory_mib == advice.memory_mib), None)
    others = alternatives(chosen, function.config, traffic) if chosen else []
    if json:
        assumptions = {
            "requests_per_month": requests_per_month,
            "cold_share": cold_share,
            "region": region,
            "prices_as_of": prices_as_of(),
            "input": typical_event(function)[1],
            "worst_input": worst.largest,
            "worst_peak_mib": round(worst.peak_bytes / MIB, 1),
        }
        print_json(
            {
                "function": name,
                "image": reference,
                "assumptions": assumptions,
                "sizes": [_fields(each, costs) for each in found],
                "recommended": {"memory_mib": advice.memory_mib, "reason": advice.reason},
                "alternatives": [
                    {
                        "name": each.name,
                        "usd_per_month": round(each.month_usd, 2),
                        "cheaper_from_requests_per_month": each.from_requests,
                    }
                    for each in others
                ],
            }
        )
        return
    _print(name, found, costs, traffic)
    _plot(found, costs)
    _print_advice(advice, others, traffic)


def _fields(size: Size, costs: dict[int, float]) -> dict[str, Any]:
    fields: dict[str, Any] = {"memory_mib": size.memory_mib, "cpus": round(size.cpus, 3)}
    if not size.warm_ms:
        return fields | {"problem": size.problem}
    return fields | {
        "init_p50_ms": round(percentile(size.init_ms, 50), 2),
        "first_request_p50_ms": round(percentile(size.cold_ms, 50), 2),
        "p50_ms": round(percentile(size.warm_ms, 50), 2),
        "p99_ms": round(percentile(size.warm_ms, 99), 2),
        "peak_mib": round(size.peak_bytes / MIB, 1),
        "usd_per_month": round(costs[size.memory_mib], 2),
        "cold_starts": len(size.init_ms),
        "samples": len(size.warm_ms),
    }


def _print(name: str, found: Sequence[Size], costs: dict[int, float], traffic: Traffic) -> None:
    rows: list[list[object]] = []
    for each in found:
        fields = _fields(each, costs)
        if each.problem:
            rows.append([each.memory_mib, f"{each.cpus:.2f}", each.problem, "", "", "", ""])
            continue
        times = [f"{fields[key]:.1f}" for key in ("init_p50_ms", "p50_ms", "p99_ms", "peak_mib")]
        rows.append([each.memory_mib, f"{each.cpus:.2f}", *times, f"{fields['usd_per_month']:.2f}"])
    print_table(
        f"{name} at {traffic.requests:,} requests a month, {traffic.cold_share:.1%} of them cold",
        ("MiB", "CPUs", "init ms", "p50 ms", "p99 ms", "peak MiB", "USD a month"),
        rows,
    )


def _plot(found: Sequence[Size], costs: dict[int, float]) -> None:
    """Draws latency and cost over memory, for people at a terminal."""
    measured = [each for each in found if each.warm_ms]
    if len(measured) < 2 or not console.is_terminal:
        return
    sizes = [each.memory_mib for each in measured]
    latency = {
        f"p{percent}": [percentile(each.warm_ms, percent) for each in measured] for percent in (50, 99)
    }
    for title, lines in (
        ("latency of a warm request, ms, over MiB", latency),
        ("USD a month, over MiB", {"": [costs[size] for size in sizes]}),
    ):
        text = curves(title, sizes, lines, width=console.width)
        console.print(text, markup=False, highlight=False)


def _print_advice(advice: Recommendation, others: Sequence[Alternative], traffic: Traffic) -> None:
    if advice.memory_mib is None:
        console.print(f"No recommendation: {advice.reason}.", highlight=False)
        return
    console.print(
        f"[bold]Take {advice.memory_mib:,} MiB[/bold]: {advice.reason}. "
        f"Set runtime.memory_mib in function.toml.",
        highlight=False,
    )
    for each in others:
        since = "is never cheaper" if each.from_requests is None else ""
        since = since or f"is cheaper from {each.from_requests:,} requests a month"
        console.print(f"  {each.name} {since}; {each.month_usd:,.2f} USD here.", highlight=False)
    console.print(
        f"List prices of {traffic.region}, {prices_as_of()}, without a free tier; Knative without its "
        "cluster. docs/guides/tuning.md says what is assumed.",
        style="dim",
        highlight=False,
    )
