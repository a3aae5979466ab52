"""From a function's folder to its answer in the account: gate, plan, build, deploy, smoke test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.artifact import Artifact
from liteship.deploy.aws.stack import find_function, look_for_stack, stack_name
from liteship.deploy.aws.stack_events import (
    failed_events,
    newest_event,
    require_updatable,
    wait_until_quiet,
)
from liteship.deploy.measuring.gate import gate
from liteship.deploy.rendering import require_rendered
from liteship.deploy.sam import program
from liteship.deploy.sam.deployed import read_deployed
from liteship.deploy.sam.plan import (
    Situation,
    make_plan,
    parameter_values,
    require_no_loss,
)
from liteship.deploy.sam.smoke import smoke_test_of
from liteship.deploy.sam.template import render
from liteship.deploy.sam.translate import read_template
from liteship.errors import DeploymentError
from liteship.packaging.image import normalise_image, package_image
from liteship.packaging.limits import require_limits
from liteship.project import load_functions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.config import Rollout
    from liteship.deploy.aws.client import Aws
    from liteship.deploy.sam.plan import Plan
    from liteship.deploy.sam.program import Listener
    from liteship.deploy.smoke import SmokeTest
    from liteship.packaging.limits import LimitCheck
    from liteship.project import FunctionFolder


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        function: The function to deploy; all others of its project stand in the same stack.
        stage: Which stack.
        rollout: How traffic moves this time; None for what function.toml says.
        base_image: What images are built on; None for the template's default.
        requests: A month's, for the cost.
        dry_run: Whether to look only: no image is built, and nothing in the account is changed.
        allow_replacement: Whether data and addresses may be lost.
    """

    function: FunctionFolder
    stage: str
    rollout: Rollout | None
    base_image: str | None
    requests: int
    dry_run: bool
    allow_replacement: bool


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A deployment that can be carried out.

    Attributes:
        request: What was asked for.
        situation: What stands, and what is to come.
        plan: What will be done.
    """

    request: Request
    situation: Situation
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment that was carried out.

    Attributes:
        plan: What was done.
        outputs: The stack's.
        smoke_test: What the function answered.
    """

    plan: Plan
    outputs: Mapping[str, str]
    smoke_test: SmokeTest


def prepare(request: Request, aws: Aws | None, said: Listener) -> Prepared:
    """Checks all that can be checked beforehand, and plans.

    Args:
        request: What is asked for.
        aws: The account; None plans against nothing.
        said: Told what is being done.

    Raises:
        ConfigurationError: `template-drift`, or what else is wrong with the project.
        LimitError: `limit-exceeded`.
        DeploymentError: `sam-missing`, `replacement-not-allowed`, or as `require_updatable`.
        AwsError, PackagingError, ArtifactError: What their parts say.
    """
    config, root = request.function.config, request.function.root
    require_rendered(root, [render])
    functions = load_functions(root)
    for each in functions:
        Artifact.load(each.model_folder)
    if not request.dry_run:
        program.find_sam(root)
    name, template = stack_name(root, request.stage), read_template(root / "template.yaml")
    parameters = parameter_values(
        template, config, rollout=request.rollout, base_image=request.base_image
    )
    stack = look_for_stack(aws, name) if aws is not None else None
    deployed = None
    if aws is not None:
        if stack is not None and stack.is_busy and not request.dry_run:
            stack = wait_until_quiet(aws, stack, said)
        require_updatable(aws, stack)
        deployed = read_deployed(aws, stack)
    images, checks = _check(functions, request, said)
    situation = Situation(
        functions=functions,
        config=config,
        template=template,
        parameters=parameters,
        checks=checks,
        requests=request.requests,
        stack=name,
        region=aws.region if aws is not None else None,
        looked=aws is not None,
        status=stack.status if stack is not None else "",
        deployed=deployed,
    )
    plan = make_plan(situation, program.image_code(images, deployed.code if deployed else {}))
    if not request.dry_run:
        require_no_loss(plan, allowed=request.allow_replacement)
    return Prepared(request=request, situation=situation, plan=plan)


def _check(
    functions: Sequence[FunctionFolder], request: Request, said: Listener
) -> tuple[dict[str, str], dict[str, Sequence[LimitCheck]]]:
    """Builds what the gate looks at; image ids by logical id, and the gate's findings by function.

    A dry run builds no image, and runs no function but the one that it was asked for.
    """
    images: dict[str, str] = {}
    findings: dict[str, Sequence[LimitCheck]] = {}
    for function in functions:
        config = function.config
        if config.lambda_.package == "image" and not request.dry_run:
            said(f"building the image of {config.name}")
            image = package_image(function, base_image=request.base_image)
            images[f"{config.logical_id}Function"] = image.digest
        said(f"checking {config.name} against Lambda's limits")
        measured = not request.dry_run or config.name == request.function.config.name
        findings[config.name] = gate(function, measured=measured)
        require_limits(findings[config.name])
    return images, findings


def carry_out(prepared: Prepared, aws: Aws, said: Listener) -> Deployment:
    """Builds, deploys and asks what was deployed.

    Stopped at any point, it can be begun again: what is built is built again, what CloudFormation has
    begun it ends, and what is uploaded is not uploaded twice.

    Args:
        prepared: As `prepare` gives it.
        aws: The same account.
        said: Told what is being done.

    Raises:
        DeploymentError: `sam-build-failed`, `sam-deploy-failed`, `replacement-not-allowed`,
            `smoke-test-failed`.
        AwsError, PackagingError: What their parts say.
    """
    request, situation = prepared.request, prepared.situation
    config, root = request.function.config, request.function.root
    said("building with sam")
    program.build(root, situation.parameters, said)
    folders = {f"{each.config.logical_id}Function": each for each in situation.functions}
    images = {
        name: normalise_image(tag, folders[name]) for name, tag in program.image_tags(root).items()
    }
    deployed = situation.deployed.code if situation.deployed is not None else {}
    plan = make_plan(situation, program.image_code(images, deployed) | program.zip_code(root, deployed))
    require_no_loss(plan, allowed=request.allow_replacement)
    published = [each.logical_id for each in plan.changes if each.action == "published"]
    said(f"as built, it publishes: {', '.join(published) or 'no new version of what stands'}")
    said(f"deploying the stack {plan.stack} with sam")
    before = newest_event(aws, plan.stack)
    if last := program.deploy(root, plan.stack, aws.region, situation.parameters, said):
        raise _not_deployed(aws, plan, before, last)
    found = find_function(aws, root, config, request.stage)
    said(f"asking {config.name} for the golden input's answer")
    return Deployment(
        plan=plan,
        outputs=found.stack.outputs,
        smoke_test=smoke_test_of(aws, found, config, Artifact.load(request.function.model_folder)),
    )


def _not_deployed(aws: Aws, plan: Plan, before: str | None, last: list[str]) -> DeploymentError:
    """Why `sam deploy` failed: what CloudFormation says of each resource, else what sam said last."""
    failed = failed_events(aws, plan.stack, before)
    stack = look_for_stack(aws, plan.stack)
    status = stack.status if stack is not None else "no such stack"
    again = f"liteship deploy {plan.function} --to lambda"
    if status == "ROLLBACK_COMPLETE":
        again = f"liteship delete {plan.function}, then {again}"
    return DeploymentError(
        "sam-deploy-failed",
        f"the stack {plan.stack} was not deployed; what ran before runs on"
        if plan.status not in {"", "REVIEW_IN_PROGRESS"}
        else f"the stack {plan.stack} was not created",
        problems=failed or last,
        received=f"stack status: {status}",
        hint=f"mend what is named above (all of it stands in {program.LOG}), then: {again}",
    )
