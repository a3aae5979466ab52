"""liteship beside its peers: cold start, CPU a request, throughput, memory, bytes.

    make bench                                      everyone, about half an hour
    make bench-quick                                liteship and naive FastAPI, under 5 minutes
    python -m benchmarks.comparison --only KServe   liteship, and whose name begins so

Everyone is measured in turn, round by round, after each has answered every form rightly. The tables and
plots go to `benchmarks/results/`, and are quoted in README.md and docs/performance.md; those of a
shorter run go to `build/benchmarks/results/`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks import cold_start
from benchmarks.comparison import verdicts
from benchmarks.comparison.contestants import OURS, contestants
from benchmarks.comparison.inference import pixels_ms
from benchmarks.comparison.measuring import FULL, QUICK, measure
from benchmarks.comparison.models import BUILD, HEAVY, MODELS, ROOT, make_models
from benchmarks.comparison.overload import overload
from benchmarks.comparison.report import machine, write
from benchmarks.comparison.summary import RESULTS, quote

from liteship.packaging.package import package_zip
from liteship.project import load_function

if TYPE_CHECKING:
    from benchmarks.comparison.contestants import Contestant


def main() -> None:
    """Measures, prints the tables, and writes them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="only liteship and naive FastAPI, 3 rounds"
    )
    parser.add_argument("--only", nargs="*", metavar="PEER", help="peers whose names begin so")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    before = machine()
    everyone: list[Contestant] = []
    for model in make_models(MODELS if arguments.quick else (*MODELS, HEAVY)):
        everyone += contestants(model, quick=arguments.quick)
    if arguments.only is not None:
        kept = ("liteship", *arguments.only)
        everyone = [each for each in everyone if each.name.startswith(kept)]
    measured, alone = measure(everyone, effort, BUILD / "server.log")
    reached = verdicts.from_comparison(measured, alone)
    is_whole = not arguments.quick and arguments.only is None
    if is_whole:
        names = [name for _, name, _, _ in verdicts.COLD_STARTS]
        reached += verdicts.from_cold_starts(cold_start.measure(effort.rounds, names))
        reached += verdicts.from_pixels(pixels_ms())
        (ours,) = (each for each in everyone if (each.name, each.model) == (OURS, "mobilenet"))
        overloads = [overload(ours, BUILD / "server.log") for _ in range(effort.rounds)]
        reached.append(verdicts.from_overload(overloads))
        packages = [package_zip(load_function(name, ROOT)) for name in ("wine", "digits")]
        reached += verdicts.from_packages(packages) + verdicts.from_litert(packages[0].parts[0])
    reached.sort(key=lambda each: int(each.number))
    results = RESULTS if is_whole else BUILD / "results"
    machines = {"before": before, "after": machine()}
    print(write(results, everyone, measured, alone, reached, machines))
    if is_whole:
        quote()


if __name__ == "__main__":
    main()
