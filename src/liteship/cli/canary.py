"""`liteship canary`: more and more traffic to a new version while it does well, and back otherwise."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated

import typer

from liteship.cli.cluster_traffic import require_revisions, spelled
from liteship.cli.exits import CODES, INTERRUPTED, end_on_sigterm
from liteship.cli.options import Context, Name, Namespace, On
from liteship.cli.output import Json, print_json, print_line, stderr
from liteship.cli.platforms import open_cluster, place
from liteship.deploy.kubernetes.traffic.bounds import Bounds
from liteship.deploy.kubernetes.traffic.canary import run_canary
from liteship.deploy.kubernetes.traffic.canary_plan import Plan, begin, division, parse_steps
from liteship.deploy.kubernetes.traffic.routing import write_routing
from liteship.deploy.kubernetes.traffic.targets import LATEST
from liteship.errors import ConfigurationError, DeploymentError
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.canary import Outcome, Result, Step
    from liteship.deploy.kubernetes.traffic.canary_plan import Start
    from liteship.deploy.kubernetes.traffic.figures import Figures

STEP_S, MIN_REQUESTS, PATIENCE_S = 60.0, 50, 1800.0

ENDED: dict[Result, str] = {
    "promoted": "has all traffic",
    "reached": "keeps its share",
    "back": "is taken back",
    "left": "is left to somebody else",
    "interrupted": "is taken back, for nobody watches it any more",
    "stuck": "keeps the share that it has: the traffic could not be put back",
}


def command(
    name: Name,
    version: Annotated[str, typer.Argument(help="The new version, or the name of its Revision.")],
    steps: Annotated[str, typer.Option(help="Its percentages of the traffic.")] = "5,25,50,100",
    watch: Annotated[
        bool, typer.Option("--watch", help="Go through all steps; without, only to the first one.")
    ] = False,
    step_s: Annotated[
        float, typer.Option(help="How many seconds each step is watched at least.", min=0.1)
    ] = STEP_S,
    min_requests: Annotated[
        int, typer.Option(help="How many requests a version must have answered in a step.", min=1)
    ] = MIN_REQUESTS,
    max_errors: Annotated[
        str | None,
        typer.Option(help="Of all requests, such as 1%; by default 1 % more than the stable version."),
    ] = None,
    max_p99_ms: Annotated[
        float | None,
        typer.Option(help="By default 1.5 times the stable version's, or 10 ms more.", min=0),
    ] = None,
    max_low_confidence: Annotated[
        str | None,
        typer.Option(help="Of all predictions; by default 10 % more than the stable version."),
    ] = None,
    patience_s: Annotated[
        float, typer.Option(help="How many seconds a step waits for enough requests.", min=0)
    ] = PATIENCE_S,
    on: On = "knative",
    namespace: Namespace = None,
    context: Context = None,
    json: Json = False,
) -> None:
    """Give a new version more of the traffic step by step, while errors, latency and confidence allow.

    Both versions are measured by their own /metrics. When the new one breaks a bound, fails, or gets
    too few requests, and on Ctrl-C, the traffic goes back as it was. The last step of 100 is a
    promotion. Exit code 11 says that the version was not promoted.

    Examples:
        liteship canary digits v3 --steps 5,25,50,100 --watch

        liteship canary digits v3 --watch --step-s 300 --max-errors 0.5% --max-p99-ms 80

        liteship canary digits v3
    """
    load_function(name)
    _require_knative(on, name)
    watching = {
        "--step-s": step_s != STEP_S,
        "--min-requests": min_requests != MIN_REQUESTS,
        "--max-errors": max_errors,
        "--max-p99-ms": max_p99_ms,
        "--max-low-confidence": max_low_confidence,
        "--patience-s": patience_s != PATIENCE_S,
    }
    plan = Plan(
        steps=parse_steps(steps),
        step_s=step_s,
        patience_s=patience_s,
        bounds=Bounds(
            min_requests=min_requests,
            max_errors=_share("--max-errors", max_errors),
            max_p99_ms=max_p99_ms,
            max_low_confidence=_share("--max-low-confidence", max_low_confidence),
        ),
    )
    if not watch:
        _refuse_watching(watching)
    end_on_sigterm()
    with open_cluster(namespace, context) as cluster:
        start = begin(cluster, name, version, plan.steps)
        if not watch:
            _first_step(cluster, name, start, place(namespace, context), json=json)
            return
        if not json:
            print_line(_heading(name, start))
        outcome = run_canary(
            cluster,
            name,
            start,
            plan,
            on_step=lambda step: None if json else _print_step(step),
            on_note=lambda note: stderr.print(note, markup=False, highlight=False, soft_wrap=True),
        )
        where = {"service": name, "namespace": cluster.namespace}
    if json:
        print_json({**where, **_document(start), **dataclasses.asdict(outcome)})
    else:
        _print_end(name, start, outcome, place(namespace, context))
    if outcome.result == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if outcome.result not in {"promoted", "reached"}:
        raise typer.Exit(CODES[DeploymentError])


def _require_knative(on: str, name: str) -> None:
    if on == "lambda":
        raise ConfigurationError(
            "platform-unsupported",
            "on Lambda, CodeDeploy moves the traffic to a new version, and watches its alarms",
            expected="--on knative",
            received="--on lambda",
            hint=f"set lambda.rollout in {name}'s function.toml, or: liteship traffic {name} 7=10",
        )
    require_revisions(on, name)  # type: ignore[arg-type]


def _refuse_watching(options: Mapping[str, object]) -> None:
    given = [option for option, value in options.items() if value is not None and value is not False]
    if given:
        raise ConfigurationError(
            "option-unused",
            f"{', '.join(given)}: without --watch, nobody looks at the new version",
            hint="add --watch, or leave it out",
        )


def _share(option: str, text: str | None) -> float | None:
    """Reads `1%` or `1` as 0.01."""
    if text is None:
        return None
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 100:
        raise ConfigurationError(
            "share-invalid",
            f"{option} cannot be {text}",
            expected="a percentage from 0 to 100, such as 1% or 0.5%",
            received=text,
            hint=f"for instance: {option} 1%",
        )
    return percent / 100


def _first_step(cluster: Cluster, name: str, start: Start, here: str, *, json: bool) -> None:
    shares = division(start, start.steps[0])
    if start.steps[0] == 100 and start.new.latest:
        shares = {LATEST: 100}
    after = write_routing(cluster, name, shares, before=start.before)
    if json:
        print_json(
            {
                "service": name,
                "namespace": cluster.namespace,
                **_document(start),
                "result": "set",
                "after": after.percents,
            }
        )
        return
    version, next_step = start.new.spelled, (*start.steps, 100)[1]
    on = f"--on knative{here}"
    for line in (
        f"{_heading(name, start)}: {spelled(after.percents, _versions(start))}",
        f"look at its figures:  kubectl get --raw {_metrics_path(cluster.namespace)}",
        f"one step on:          liteship traffic {name} {version}={next_step} {on}",
        f"all traffic:          liteship promote {name} {version} {on}",
        f"back:                 liteship rollback {name} {on}",
        f"watched, all steps:   liteship canary {name} {version} --watch{here}",
    ):
        print_line(line)


def _metrics_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/POD:8080/proxy/metrics"


def _document(start: Start) -> dict[str, object]:
    return {
        "version": start.new.version,
        "revision": start.new.name,
        "stable": start.stable.name,
        "before": start.before.percents,
    }


def _versions(start: Start) -> dict[str, str]:
    return {each.name: each.spelled for each in (start.stable, start.new)}


def _heading(name: str, start: Start) -> str:
    versions = _versions(start)
    before = spelled(start.before.percents, versions)
    return f"{name}: {start.new.name} after {start.stable.name}, now {before}"


def _print_step(step: Step) -> None:
    print_line(
        f"{step.percent:>3} %  {step.watched_s:.0f} s  new: {_figures(step.new)}  |  "
        f"stable: {_figures(step.stable)}"
    )


def _figures(figures: Figures) -> str:
    def share(value: float | None) -> str:
        return "none" if value is None else f"{value * 100:.3g} %"

    p99 = "none" if figures.p99_ms is None else f"{figures.p99_ms:.4g} ms"
    return (
        f"{figures.requests} requests, errors {share(figures.errors)}, p99 {p99}, "
        f"low confidence {share(figures.low_confidence)}"
    )


def _print_end(name: str, start: Start, outcome: Outcome, here: str) -> None:
    reason = f": {outcome.reason}" if outcome.reason else ""
    print_line(f"{name}: {start.new.spelled} {ENDED[outcome.result]}{reason}")
    if outcome.after:
        print_line(f"traffic: {spelled(outcome.after, _versions(start))}")
    if outcome.result == "stuck":
        print_line(f"next step: liteship rollback {name} --on knative{here}")
