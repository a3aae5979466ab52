"""What `liteship deploy --to knative|kubernetes` does and prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer
import yaml

from liteship.cli.confirmation import confirm, require_person
from liteship.cli.exits import INTERRUPTED
from liteship.cli.output import print_json, print_line, print_table, print_whole, progress_lines, stderr
from liteship.cli.platforms import place
from liteship.deploy.kubernetes.addresses import require_ingress
from liteship.deploy.kubernetes.api.cluster import Cluster
from liteship.deploy.kubernetes.images import IMAGE_UNSET, NO_DIGEST, image_of
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
    said = progress_lines(quiet=options.json or options.output is not None)
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
    hint = "add --yes, or look first with --dry-run=server"
    require_person("a deployment", json=options.json, hint=hint)
    question = f"Apply this to {plan.server}, namespace {plan.namespace}?"
    confirm(question, "it", "nothing is deployed", json=options.json)


def _print_manifests(request: Request, manifests: list[Manifest], options: Options) -> None:
    """What would be applied, to be read, or to be given to `kubectl apply -f -`."""
    if options.namespace is not None:
        manifests = [
            {**each, "metadata": each["metadata"] | {"namespace": options.namespace}}
            for each in manifests
        ]
    image = request.image or image_of(request.function.root, request.name)
    if image.endswith(NO_DIGEST):
        stderr.print(f"note: {IMAGE_UNSET}", markup=False, highlight=False, soft_wrap=True)
    if options.output == "yaml":
        print_whole(yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True).rstrip("\n"))
    elif options.output == "json":
        several = {"apiVersion": "v1", "kind": "List", "items": manifests}
        print_json(manifests[0] if len(manifests) == 1 else several)
    elif options.json:
        print_json({"deployed": False, "dry_run": "client", "manifests": manifests})
    else:
        for each in manifests:
            print_line(f"{each['kind']} {each['metadata']['name']} ({each['apiVersion']})")
        print_line(
            f"No cluster was asked. Manifests: {_again(request, options)} --dry-run=client -o yaml"
        )


def _print_judged(prepared: Prepared, options: Options) -> None:
    if options.output is not None:
        _print_manifests(prepared.request, prepared.manifests, options)
    elif options.json:
        print_json({"deployed": False, "dry_run": "server", "plan": prepared.plan.fields()})
    else:
        _print_plan(prepared.plan)
        if not prepared.plan.is_empty:
            again = _again(prepared.request, options)
            print_line(f"The cluster accepts it; nothing is applied. What applies it: {again}")


def _print_plan(plan: Plan) -> None:
    print_table(
        f"{plan.function} at {plan.server}, namespace {plan.namespace}",
        ("", "object", "name"),
        [(each.action, f"{each.kind} ({each.api_version})", each.name) for each in plan.changes],
    )
    for each in plan.changes:
        _print_differences(each)
    if plan.is_empty:
        print_line("Nothing differs from what stands.")


def _print_differences(change: Change) -> None:
    for each in change.differences[:SHOWN_DIFFERENCES]:
        before, after = (_short(value) or "none" for value in (each.before, each.after))
        print_line(f"  {change.kind} {each.field}: {before} → {after}")
    if (more := len(change.differences) - SHOWN_DIFFERENCES) > 0:
        print_line(f"  and {more} more differences of the {change.kind}; --json prints all")


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
    print_line(f"{what} is ready{after}: {deployment.url}")
    if test is None:
        print_line(f"Not asked for the golden input's answer: {deployment.not_asked}.")
    else:
        tries = "" if test.attempts == 1 else f" at attempt {test.attempts} (before: {test.earlier[0]})"
        print_line(f"Asked {deployment.way}, it answers the golden input as the artifact does{tries}.")
    name, here = request.name, place(options.namespace, options.context)
    on = f"--on {request.platform}{here}"
    if deployment.percent is not None and deployment.percent < 100:
        share = f"{deployment.percent} % of the" if deployment.percent else "no"
        version = f"v{request.function.config.version.removeprefix('v')}"
        print_line(
            f"It gets {share} traffic: liteship promote {name} {on} sends it all, "
            f"liteship canary {name} {version} --watch{here} step by step."
        )
    logs = f"liteship logs {name} {on} --follow"
    print_line(
        f"Next: {logs}"
        if plan.platform == "kubernetes"
        else f"Next: liteship versions {name} {on}; {logs}"
    )


def _again(request: Request, options: Options) -> str:
    """The same command, with what decides what is deployed and where."""
    image = "" if request.image is None else f" --image {request.image}"
    traffic = " --no-traffic" if request.no_traffic else ""
    here = place(options.namespace, options.context)
    return f"liteship deploy {request.name} --to {request.platform}{here}{image}{traffic}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]} …"
