"""The stack that `sam deploy` makes, and what a function is called in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.deploy.aws.client import AwsError
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from liteship.config import FunctionConfig
    from liteship.deploy.aws.client import Aws

DEFAULT_STAGE = "default"
"""The stage whose stack has the project's own name."""

FALLBACK_STACK = "liteship"

ALIAS = "live"
"""What HTTP and S3 call: template.yaml's AutoPublishAlias."""

# A first deployment failed: what CloudFormation lets anybody do with what is left is to delete it
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html)
_ONLY_DELETABLE = {"CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack.

    Attributes:
        logical_id: Its name in the template.
        physical_id: Its name in AWS; empty while there is none.
        type: `AWS::Lambda::Function`.
        status: `CREATE_COMPLETE`, ….
        reason: Why, where the status says that something failed.
    """

    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack as CloudFormation describes it.

    Attributes:
        name: Its name.
        id: Its ARN, which a deleted stack can still be asked for by.
        status: `CREATE_COMPLETE`, `UPDATE_IN_PROGRESS`, ….
        reason: Why, where CloudFormation says so.
        changed: When it was created or last updated, ISO 8601.
        outputs: Output key to value.
        resources: Logical id to resource; resources already deleted are left out.
    """

    name: str
    id: str
    status: str
    reason: str
    changed: str
    outputs: Mapping[str, str]
    resources: Mapping[str, Resource]

    @property
    def is_busy(self) -> bool:
        """Whether CloudFormation is changing it now."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


@dataclass(frozen=True, kw_only=True)
class DeployedFunction:
    """A function in its stack.

    Attributes:
        name: What function.toml calls it.
        function: What Lambda calls it.
        log_group: Where it logs.
        stack: Where it stands.
        logical_id: What its resources' logical ids begin with.
    """

    name: str
    function: str
    log_group: str
    stack: Stack
    logical_id: str


def stack_name(root: Path, stage: str = DEFAULT_STAGE) -> str:
    """The stack's name: `stack_name` of samconfig.toml, with the stage behind it.

    Raises:
        ConfigurationError: `stage-invalid`, `samconfig-toml`.
    """
    # The names of buckets begin with the stack's, and hold lower-case letters, digits and dashes
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", stage):
        raise ConfigurationError(
            "stage-invalid",
            f"{stage!r} cannot be the name of a stage",
            expected="1 to 20 lower-case letters, digits and dashes",
            received=stage,
            hint="give it a name such as prod",
        )
    path = root / "samconfig.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        base = str(_parameters(content).get("stack_name", FALLBACK_STACK))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise ConfigurationError(
            "samconfig-toml", f"{path} cannot be read: {error}", hint="correct the line it names"
        ) from error
    return base if stage == DEFAULT_STAGE else f"{base}-{stage}"


def _parameters(samconfig: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = samconfig.get("default", {}).get("global", {}).get("parameters", {})
    return found


def look_for_stack(aws: Aws, name: str) -> Stack | None:
    """The stack of that name, in whatever state; None where there is none.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    try:
        (described,) = aws.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
    except AwsError as error:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
        if error.code == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    if described["StackStatus"] == "DELETE_COMPLETE":
        return None
    return Stack(
        name=described["StackName"],
        id=described["StackId"],
        status=described["StackStatus"],
        reason=described.get("StackStatusReason", ""),
        changed=_iso(described.get("LastUpdatedTime") or described["CreationTime"]),
        outputs={each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])},
        resources=list_resources(aws, described["StackId"]),
    )


def _iso(moment: Any) -> str:
    return str(moment.isoformat(timespec="seconds"))


def list_resources(aws: Aws, name: str) -> dict[str, Resource]:
    """A stack's resources by logical id, in whatever state they are.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    return {
        each["LogicalResourceId"]: Resource(
            logical_id=each["LogicalResourceId"],
            physical_id=each.get("PhysicalResourceId", ""),
            type=each["ResourceType"],
            status=each["ResourceStatus"],
            reason=each.get("ResourceStatusReason", ""),
        )
        for page in aws.pages("cloudformation", "list_stack_resources", StackName=name)
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] != "DELETE_COMPLETE"
    }


def find_stack(aws: Aws, name: str) -> Stack:
    """The stack of that name, in a state in which its functions can be used.

    Raises:
        DeploymentError: `stack-missing`, `stack-in-review`, `stack-rollback-complete`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    stack = look_for_stack(aws, name)
    if stack is None:
        raise DeploymentError(
            "stack-missing",
            f"there is no stack {name} in {aws.region}",
            hint="deploy first: liteship deploy NAME --to lambda; or check --stage and --region",
        )
    if stack.status == "REVIEW_IN_PROGRESS":
        raise DeploymentError(
            "stack-in-review",
            f"the stack {name} holds a change set that nobody has carried out, and nothing else",
            received=stack.status,
            hint="deploy again: liteship deploy NAME --to lambda",
        )
    if stack.status in _ONLY_DELETABLE:
        raise DeploymentError(
            "stack-rollback-complete",
            f"the stack {name} can only be deleted: creating or deleting it has failed",
            problems=failures(stack),
            received=f"{stack.status} {stack.reason}".strip(),
            hint="liteship delete NAME, then deploy again",
        )
    return stack


def failures(stack: Stack) -> list[str]:
    """One line for each resource that could not be made, changed or deleted."""
    return [
        f"{each.logical_id} ({each.type}): {each.status} {each.reason}".strip()
        for each in stack.resources.values()
        if each.status.endswith("_FAILED")
    ]


def find_function(
    aws: Aws, root: Path, config: FunctionConfig, stage: str = DEFAULT_STAGE
) -> DeployedFunction:
    """The function in the stack of its stage.

    Raises:
        DeploymentError: `function-not-deployed`, or as `find_stack`.
        ConfigurationError: As `stack_name`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    stack = find_stack(aws, stack_name(root, stage))
    resource = stack.resources.get(f"{config.logical_id}Function")
    if resource is None or not resource.physical_id:
        raise DeploymentError(
            "function-not-deployed",
            f"the stack {stack.name} holds no {config.logical_id}Function",
            expected=f"{config.logical_id}Function of type AWS::Lambda::Function",
            received=", ".join(_functions(stack)) or "no function at all",
            hint=f"liteship deploy {config.name} --to lambda",
        )
    logs = stack.resources.get(f"{config.logical_id}Logs")
    return DeployedFunction(
        name=config.name,
        function=resource.physical_id,
        # Lambda's own choice where the template names no group
        # (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html)
        log_group=logs.physical_id if logs else f"/aws/lambda/{resource.physical_id}",
        stack=stack,
        logical_id=config.logical_id,
    )


def _functions(stack: Stack) -> list[str]:
    return [
        each.logical_id for each in stack.resources.values() if each.type == "AWS::Lambda::Function"
    ]


def require_quiet(stack: Stack) -> None:
    """Refuses while CloudFormation changes the stack: it would undo, or be undone by, what we do.

    Raises:
        DeploymentError: `stack-in-progress`.
    """
    if stack.is_busy:
        raise DeploymentError(
            "stack-in-progress",
            f"CloudFormation is changing the stack {stack.name}, since {stack.changed}",
            received=stack.status,
            hint="wait until it has ended; who began it stands in CloudTrail and in the stack's events",
        )
