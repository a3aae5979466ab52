"""The targets, and whether a run reached them."""

from __future__ import annotations

import statistics
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.comparison.contestants import ONE_CPU, ONE_WORKER, OURS, OURS_ON_LAMBDA
from benchmarks.comparison.models import HEAVY
from benchmarks.comparison.overload import CALLERS, PLACES
from benchmarks.ratios import median_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.cold_start import Starts
    from benchmarks.comparison.inference import Alone
    from benchmarks.comparison.measuring import Figures
    from benchmarks.comparison.overload import Overload

    from liteship.packaging.package import Package, Part

ECHO_HANDLER, BARE_HANDLER, UVICORN_ECHO = "echo handler", "bare handler", "uvicorn echo"


COLD_STARTS = (
    ("1", "MobileNetV2, JPEG", "echo", 4),
    ("1", "digits, S3 upload", "boto3 imported, echo", 1.3),
    ("2", "tiny, own FastAPI route", "FastAPI, Mangum, NumPy, LiteRT", 1),
)
"""Number of the target, variant, its floor, and how often the floor at most."""

LARGE = {"mobilenet": "MobileNetV2", HEAVY: "ResNet50"}
OVER_INFERENCE = {"V2 binary": 1.10, "raw": 1.10, "JPEG": 1.15, "V2 JSON": 1.5}
"""How often the CPU time of inference alone a request may cost at most, by wire form."""

PART_MB = {("wine", "function"): 5, ("digits", "function"): 9, ("digits", "web"): 10}
"""Most MB of a zip file, by function and part."""

LITERT_MB, LITERT_ZIPPED_MB = 8.1, 3.3

OVERLOADED = 2
"""How often the time that a full queue takes the 99th percentile may be: the refused come back in
swarms. Were all let in, it would be three times the time."""


class Verdict(NamedTuple):
    """One target.

    Args:
        number: Of the target, in docs/performance.md.
        what: Is compared.
        target: In words.
        measured: In words.
        is_reached: Whether.
    """

    number: str
    what: str
    target: str
    measured: str
    is_reached: bool


def at_most(number: str, what: str, value: float, limit: float, unit: str, digits: int = 2) -> Verdict:
    """A verdict on a value with an upper limit."""
    target, measured = f"≤ {limit:g} {unit}", f"{value:.{digits}f} {unit}"
    return Verdict(number, what, target, measured, value <= limit)


def from_comparison(
    measured: Mapping[tuple[str, str], Figures], alone: Mapping[str, Sequence[Alone]]
) -> list[Verdict]:
    """Those that the comparison itself gives, as far as their contestants took part."""
    verdicts = []
    tiny, echo = measured.get((OURS_ON_LAMBDA, "tiny")), measured.get((ECHO_HANDLER, "tiny"))
    if tiny and echo:
        cold = median_ratio(tiny.cold_cpu_ms, echo.cold_cpu_ms)
        verdicts.append(at_most("1", "Lambda, cold start, tiny, raw", cold, 2, "× echo, CPU"))
    bare = measured.get((BARE_HANDLER, "tiny"))
    if tiny and bare:
        ours_ms, bare_ms = tiny.warm_cpu_ms["raw"], bare.warm_cpu_ms["raw"]
        over_ms = statistics.median(ours_ms) - statistics.median(bare_ms)
        verdicts.append(at_most("2", "Lambda, warm, tiny, raw", over_ms, 0.10, "CPU ms over bare"))
    server, hello = measured.get((OURS, "tiny")), measured.get((UVICORN_ECHO, "tiny"))
    if server and hello:
        cold = median_ratio(server.cold_cpu_ms, hello.cold_cpu_ms)
        verdicts.append(at_most("3", "server, cold start, tiny", cold, 1.3, "× uvicorn echo, CPU"))
    if server:
        verdicts.append(at_most("3", "server, peak memory, tiny", max(server.peak_mib), 45, "MiB", 0))
        for form, limit_ms in {"V2 binary": 0.20, "raw": 0.20, "V2 JSON": 0.25}.items():
            request_ms = statistics.median(server.warm_cpu_ms[form])
            verdicts.append(at_most("4", f"server, tiny, {form}", request_ms, limit_ms, "CPU ms"))
    for model, title in LARGE.items():
        verdicts += _of_large(measured, model, title, alone.get(model, []))
    return verdicts


def _of_large(
    measured: Mapping[tuple[str, str], Figures], model: str, title: str, alone: Sequence[Alone]
) -> list[Verdict]:
    """Of a model whose inference costs more than serving it does."""
    ours = measured.get((OURS, model))
    if ours is None:
        return []
    verdicts = [
        _over_inference(f"{title}, {form}", limit, ours.warm_cpu_ms[form], alone)
        for form, limit in OVER_INFERENCE.items()
    ]
    for name, unit in {ONE_CPU: "CPU", ONE_WORKER: "worker"}.items():
        one = measured.get((name, model))
        if one is not None and one.load:
            gain = median_ratio(ours.load[8].requests_per_s, one.load[8].requests_per_s)
            what, target = f"server, {title}, 8 clients, two {unit}s", f"≥ 1.9 × one {unit}"
            without = statistics.median(each.gain for each in alone)
            said = f"{gain:.2f} × (inference alone {without:.2f})"
            verdicts.append(Verdict("7", what, target, said, gain >= 1.9))
    return verdicts


def _over_inference(
    asked: str, limit: float, request_ms: Sequence[float], alone: Sequence[Alone]
) -> Verdict:
    inference_ms = [each.cpu_ms for each in alone]
    times, alone_ms = median_ratio(request_ms, inference_ms), statistics.median(inference_ms)
    over_ms = statistics.median(request_ms) - alone_ms
    measured = f"{times:.2f} × ({over_ms:.2f} ms over {alone_ms:.2f})"
    what = f"server, {asked}"
    return Verdict("5", what, f"≤ {limit:g} × inference, CPU", measured, times <= limit)


def from_cold_starts(starts: Mapping[str, Starts]) -> list[Verdict]:
    """What `benchmarks.cold_start` measured."""
    verdicts = []
    for number, name, floor, limit in COLD_STARTS:
        times = median_ratio(starts[name].cpu_ms, starts[floor].cpu_ms)
        verdicts.append(at_most(number, f"Lambda, cold start, {name}", times, limit, f"× {floor}, CPU"))
    return verdicts


def from_pixels(pixels: Mapping[str, Sequence[float]]) -> list[Verdict]:
    """What `benchmarks.codecs` measured of preprocessing."""
    verdicts = []
    for name, (table_ms, floats_ms) in pixels.items():
        times = floats_ms / table_ms
        what = f"224 × 224 pixels to int8, {name}"
        verdicts.append(Verdict("6", what, "≥ 5 × floats", f"{times:.1f} ×", times >= 5))
    return verdicts


def from_overload(rounds: Sequence[Overload]) -> Verdict:
    """Whether the queue's limit bounds the latency of what is answered."""
    times = median_ratio([each.p99_ms for each in rounds], [each.full_ms for each in rounds])
    p99_ms = statistics.median(each.p99_ms for each in rounds)
    refused = statistics.median(each.refused for each in rounds)
    what = f"server, MobileNetV2, {CALLERS} callers, p99"
    target = f"≤ {OVERLOADED} × the time of {PLACES}, which find room"
    measured = f"{times:.2f} × ({p99_ms:.0f} ms; {refused:.0%} refused)"
    return Verdict("7", what, target, measured, times <= OVERLOADED)


def from_packages(packages: Iterable[Package]) -> list[Verdict]:
    """The sizes of what is shipped."""
    verdicts = []
    for package in packages:
        for part in package.parts:
            limit_mb = PART_MB.get((package.name, part.name))
            if limit_mb is not None:
                what = f"{package.name}, {part.name}, zipped"
                size_mb = part.zipped_bytes / 1e6
                verdicts.append(at_most("9", what, size_mb, limit_mb, "MB"))
    return verdicts


def from_litert(function: Part) -> list[Verdict]:
    """What LiteRT takes of a zip function."""
    (unpacked,) = (each.unzipped_bytes for each in function.contents if each.name == "litert")
    with zipfile.ZipFile(function.path) as archive:
        files = archive.infolist()
    zipped = sum(each.compress_size for each in files if each.filename.startswith("ai_edge_litert"))
    return [
        at_most("9", "LiteRT, unpacked", unpacked / 1e6, LITERT_MB, "MB"),
        at_most("9", "LiteRT, zipped", zipped / 1e6, LITERT_ZIPPED_MB, "MB"),
    ]
