"""What `liteship deploy --to lambda` does and prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from liteship.cli.confirmation import confirm, require_person
from liteship.cli.output import console, print_json, print_line, print_table, progress_lines
from liteship.deploy.aws.client import Aws, AwsError
from liteship.deploy.sam.deployment import Request, carry_out, prepare
from liteship.deploy.sam.program import LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.deploy.sam.changes import Change, Difference
    from liteship.deploy.sam.deployment import Deployment, Prepared
    from liteship.deploy.sam.plan import Plan

NO_ACCOUNT = {"credentials-missing", "region-missing"}
"""What a dry run does without."""

SHOWN_DIFFERENCES = 4
SHOWN_LENGTH = 60
"""Of a value before and after, together."""


def deploy(request: Request, *, region: str | None, yes: bool, json: bool) -> None:
    """Plans; and unless it is a dry run asks, carries it out and prints what came of it."""
    said = progress_lines(quiet=json)
    if request.dry_run:
        _print_plan(_look(request, region, said), json=json)
        return
    if not yes:
        require_person("a deployment", json=json, hint="add --yes, or look first with --dry-run")
    (request.function.root / LOG).unlink(missing_ok=True)
    with Aws(region) as aws:
        prepared = prepare(request, aws, said)
        if not json:
            _print_plan(prepared, json=False)
        if not yes:
            confirm(f"Deploy the stack {prepared.plan.stack}?", "it", "nothing is deployed", json=json)
        deployment = carry_out(prepared, aws, said)
    _print_deployment(deployment, json=json)


def _look(request: Request, region: str | None, said: Callable[[str], None]) -> Prepared:
    """Plans against the account where there are credentials, else against nothing."""
    try:
        with Aws(region) as aws:
            return prepare(request, aws, said)
    except AwsError as error:
        if error.reference not in NO_ACCOUNT:
            raise
    return prepare(request, None, said)


def _print_plan(prepared: Prepared, *, json: bool) -> None:
    plan = prepared.plan
    if json:
        print_json({"deployed": False, "dry_run": True, "plan": plan.fields()})
        return
    place = f"{plan.stack} in {plan.region or 'a region that is not set'}"
    changing = [each for each in plan.changes if each.action != "unchanged"]
    print_table(
        f"The stack {place}: {plan.status or 'new'}",
        ("", "resource", "type", "why"),
        [
            (each.action, each.logical_id, each.type.removeprefix("AWS::"), _why(each))
            for each in changing
        ],
    )
    for line in _remarks(plan, len(plan.changes) - len(changing)):
        print_line(line)
    for loss in plan.losses:
        console.print(Text.assemble(("lost:", "bold red"), f" {loss}"), soft_wrap=True)


def _remarks(plan: Plan, unchanged: int) -> list[str]:
    lines = []
    if not plan.looked:
        lines.append(
            "The account was not looked at (no credentials, or no region): everything counts as new."
        )
    if unchanged:
        lines.append(f"{unchanged} resources stay as they are.")
    if plan.undecided:
        lines.append(
            f"Compared with what is deployed once it is built: the code of {', '.join(plan.undecided)}."
        )
    if len(plan.functions) > 1:
        lines.append(f"Deployed together: {', '.join(plan.functions)}.")
    values = (f"{name} {value}" for name, value in plan.parameters.items())
    lines += [f"Traffic of {plan.function}: {plan.rollout}.", f"Parameters: {', '.join(values)}."]
    lines += [
        f"Size of {name}: {', '.join(f'{what} {size:,} bytes' for what, size in sizes.items())}."
        for name, sizes in plan.sizes_bytes.items()
    ]
    if plan.cost is None:
        lines.append("Cost: not known, as the function was not run (make .tools/sam).")
    else:
        lines.append(
            f"Cost: {plan.cost.monthly.total_usd:.2f} USD a month for {plan.cost.requests:,} requests "
            f"(--requests-per-month) of {plan.cost.billed_ms:,.0f} ms, as a usual one was measured; "
            f"{plan.cost.monthly.alarms_usd + plan.cost.monthly.provisioned_usd:.2f} USD of it without "
            f"any; list prices of {plan.cost.region}, {plan.cost.as_of}, no free tier."
        )
    return lines


def _why(change: Change) -> str:
    shown = [_in_short(each) for each in change.differences[:SHOWN_DIFFERENCES]]
    more = len(change.differences) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _in_short(difference: Difference) -> str:
    before, after = difference.before, difference.after
    is_plain = not any(value.startswith(("{", "[")) for value in (before, after))
    if is_plain and len(before) + len(after) <= SHOWN_LENGTH:
        return f"{difference.property} {before or 'none'} → {after or 'none'}"
    return difference.property


def _print_deployment(deployment: Deployment, *, json: bool) -> None:
    test = deployment.smoke_test
    if json:
        fields: dict[str, Any] = {"deployed": True, "dry_run": False, "plan": deployment.plan.fields()}
        print_json(
            fields | {"outputs": dict(deployment.outputs), "smoke_test": asdict(deployment.smoke_test)}
        )
        return
    print_table(
        f"The stack {deployment.plan.stack} is deployed",
        ("output", "value"),
        sorted(deployment.outputs.items()),
    )
    tries = "" if test.attempts == 1 else f" at attempt {test.attempts} (before: {test.earlier[0]})"
    print_line(f"{test.target} answers the golden input as the artifact does{tries}.")
