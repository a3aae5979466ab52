"""What `liteship deploy --to knative|kubernetes` does and prints."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer
import yaml

from liteship.cli.exits import INTERRUPTED
from liteship.cli.output import console, print_json, print_table, stderr
from liteship.deploy.kubernetes.addresses import require_ingress
from liteship.deploy.kubernetes.api.cluster import Cluster
from liteship.deploy.kubernetes.rollout.deployment import Progress, carry_out
from liteship.deploy.kubernetes.rollout.preparation import manifests_of, prepare, require_namespace_name
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from liteship.deploy.kubernetes.rollout.deployment import Deployment
    from liteship.deploy.kubernetes.rollout.plan import Change, Plan
    from liteship.deploy.kubernetes.rollout.preparation import Manifest, Prepared, Request

SHOWN_DIFFERENCES = 12
SHOWN_LENGTH = 120
"""Of a value before and after, each."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says beyond the request.

    Attributes:
        namespace: None for kubeconfig's.
        context: None for kubeconfig's current one.
        dry_run: `client`, `server`, or None for a deployment.
        output: The form of the manifests; None for a plan for people.
        yes: Do not ask.
        json: One JSON document.
    """

    namespace: str | None
    context: str | None
    dry_run: str | None
    output: str | None
    yes: bool
    json: bool


def deploy(request: Request, options: Options) -> None:
    """Plans; and unless it is a dry run asks, carries it out and prints what came of it."""
    _require_consistent(options)
    require_namespace_name(options.namespace)
    if request.ingress is not None:
        require_ingress(request.ingress)
    if options.dry_run == "client":
        manifests = manifests_of(request, with_image=False)
        _print_manifests(request, manifests, options)
        return
    said = _silent if options.json or options.output else _say
    progress = Progress()
    try:
        with Cluster(namespace=options.namespace, context=options.context) as cluster:
            prepared = prepare(request, cluster, said)
            if options.dry_run == "server":
                _print_judged(prepared, options)
                return
            if not options.json:
                _print_plan(prepared.plan)
            _confirm(prepared.plan, options)
            deployment = carry_out(prepared, cluster, said, progress)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and SIGTERM as `end_on_sigterm` makes it
        _print_interruption(request, progress, options)
        raise typer.Exit(INTERRUPTED) from None
    _print_deployment(request, deployment, options)


def _require_consistent(options: Options) -> None:
    if options.output is not None and (options.dry_run is None or options.json):
        raise ConfigurationError(
            "output-choice",
            "--output prints manifests: it belongs to --dry-run, and --json does not go with it",
            hint="liteship deploy NAME --to knative --dry-run=client -o yaml",
        )


def _confirm(plan: Plan, options: Options) -> None:
    if plan.is_empty or options.yes:
        return
    if options.json or not sys.stdin.isatty():
        raise ConfigurationError(
            "confirmation-missing",
            "a deployment has to be confirmed, and there is nobody to ask",
            hint="add --yes, or look first with --dry-run=server",
        )
    if not typer.confirm(f"Apply this to {plan.server}, namespace {plan.namespace}?"):
        console.print("nothing is deployed")
        raise typer.Exit(INTERRUPTED)


def _silent(_line: str) -> None:
    pass


def _say(line: str) -> None:
    stderr.print(f"  {line}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _print(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_manifests(request: Request, manifests: list[Manifest], options: Options) -> None:
    """What would be applied, to be read, or to be given to `kubectl apply -f -`."""
    if options.namespace is not None:
        manifests = [
            {**each, "metadata": each["metadata"] | {"namespace": options.namespace}}
            for each in manifests
        ]
    if options.output == "yaml":
        # As it is: Rich would wrap long lines
        print(yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True), end="")  # noqa: T201
    elif options.output == "json":
        several = {"apiVersion": "v1", "kind": "List", "items": manifests}
        print_json(manifests[0] if len(manifests) == 1 else several)
    elif options.json:
        print_json({"deployed": False, "dry_run": "client", "manifests": manifests})
    else:
        for each in manifests:
            _print(f"{each['kind']} {each['metadata']['name']} ({each['apiVersion']})")
        _print(f"No cluster was asked. Manifests: {_again(request, options)} --dry-run=client -o yaml")


def _print_judged(prepared: Prepared, options: Options) -> None:
    if options.output is not None:
        _print_manifests(prepared.request, prepared.manifests, options)
    elif options.json:
        print_json({"deployed": False, "dry_run": "server", "plan": prepared.plan.fields()})
    else:
        _print_plan(prepared.plan)


def _print_plan(plan: Plan) -> None:
    print_table(
        f"{plan.function} at {plan.server}, namespace {plan.namespace}",
        ("", "object", "name"),
        [(each.action, f"{each.kind} ({each.api_version})", each.name) for each in plan.changes],
    )
    for each in plan.changes:
        _print_differences(each)
    if plan.is_empty:
        _print("Nothing differs from what stands.")


def _print_differences(change: Change) -> None:
    for each in change.differences[:SHOWN_DIFFERENCES]:
        before, after = (_short(value) or "none" for value in (each.before, each.after))
        _print(f"  {change.kind} {each.field}: {before} → {after}")
    if (more := len(change.differences) - SHOWN_DIFFERENCES) > 0:
        _print(f"  and {more} more differences of the {change.kind}; --json prints all")


def _print_interruption(request: Request, progress: Progress, options: Options) -> None:
    doing = f" (while {progress.doing})" if progress.doing else ""
    done = progress.done or ["nothing was changed on the cluster"]
    if options.json:
        fields = {"interrupted": True, "done": progress.done, "doing": progress.doing}
        print_json({"deployed": False, **fields, "hint": _again(request, options)})
        return
    stderr.print(
        f"interrupted{doing}: {'; '.join(done)}. It can be run again: {_again(request, options)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _print_deployment(request: Request, deployment: Deployment, options: Options) -> None:
    plan, test = deployment.plan, deployment.smoke_test
    if options.json:
        fields: dict[str, Any] = asdict(deployment) | {"plan": plan.fields()}
        print_json({"deployed": True, "changed": not plan.is_empty} | fields)
        return
    what = f"The Revision {plan.revision}" if plan.revision else f"The Deployment {plan.function}"
    after = "" if plan.is_empty else f" after {deployment.ready_s:.1f} s"
    _print(f"{what} is ready{after}: {deployment.url}")
    if test is None:
        _print(f"Not asked for the golden input's answer: {deployment.not_asked}.")
    else:
        tries = "" if test.attempts == 1 else f" at attempt {test.attempts} (before: {test.earlier[0]})"
        _print(f"Asked {deployment.way}, it answers the golden input as the artifact does{tries}.")
    name, place = request.name, f"--on {request.platform}{_place(options)}"
    if deployment.percent is not None and deployment.percent < 100:
        share = f"{deployment.percent} % of the" if deployment.percent else "no"
        version = f"v{request.function.config.version.removeprefix('v')}"
        _print(
            f"It gets {share} traffic: liteship promote {name} {place} sends it all, "
            f"liteship canary {name} {version}{_place(options)} step by step."
        )
    logs = f"liteship logs {name} {place} --follow"
    _print(
        f"Next: {logs}"
        if plan.platform == "kubernetes"
        else f"Next: liteship versions {name} {place}; {logs}"
    )


def _again(request: Request, options: Options) -> str:
    return f"liteship deploy {request.name} --to {request.platform}{_place(options)}"


def _place(options: Options) -> str:
    given = {"--namespace": options.namespace, "--context": options.context}
    return "".join(f" {option} {value}" for option, value in given.items() if value is not None)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]} …"
