"""What happens to a stack while CloudFormation changes it, and whether it can be changed at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from liteship.deploy.aws.client import AwsError
from liteship.deploy.aws.stack import find_stack, look_for_stack
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import Stack

POLL_S = 5.0

_CANCELLED = "cancelled"
"""What CloudFormation says of the resources that it gave up because another one failed."""


def require_updatable(aws: Aws, stack: Stack | None) -> None:
    """Refuses a stack that CloudFormation would not update.

    One that holds nothing but a change set is none: `sam deploy` creates it.

    Raises:
        DeploymentError: `stack-rollback-complete`, `stack-rollback-failed`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-continueupdaterollback.html
        raise DeploymentError(
            "stack-rollback-failed",
            f"the last update of the stack {stack.name} failed, and so did taking it back",
            problems=failed_events(aws, stack.id, None),
            received=f"{stack.status} {stack.reason}".strip(),
            hint="mend what is named, then: aws cloudformation continue-update-rollback "
            f"--stack-name {stack.name}, and deploy again",
        )
    find_stack(aws, stack.name)


def wait_until_quiet(
    aws: Aws, stack: Stack, said: Callable[[str], None], poll_s: float = POLL_S
) -> Stack | None:
    """Waits for the end of what CloudFormation is doing; who began it does not matter.

    Args:
        aws: Where.
        stack: As it was found.
        said: Told each event.
        poll_s: Time between two looks.

    Returns:
        The stack afterwards; None where it was deleted.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    seen = newest_event(aws, stack.id)
    said(f"waiting for CloudFormation, which is changing {stack.name}: {stack.status}")
    now: Stack | None = stack
    while now is not None and now.is_busy:
        time.sleep(poll_s)
        now = look_for_stack(aws, stack.name)
        # After the status: what led to it has happened by then
        fresh = list(_events_since(aws, stack.id, seen))
        for event in reversed(fresh):
            said(f"{event['ResourceStatus']} {event['LogicalResourceId']}")
        seen = fresh[0]["EventId"] if fresh else seen
    return now


def newest_event(aws: Aws, stack: str) -> str | None:
    """The id of the last thing that happened to a stack; None where there is none.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    return next((event["EventId"] for event in _events_since(aws, stack, None)), None)


def failed_events(aws: Aws, stack: str, since: str | None) -> list[str]:
    """What failed, in the order in which it did: one line for each resource.

    Args:
        aws: Where.
        stack: Name or id.
        since: The event before; None for the last operation alone.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    failed = []
    for event in _events_since(aws, stack, since):
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("_FAILED") and _CANCELLED not in reason:
            failed.append(
                f"{event['LogicalResourceId']} ({event['ResourceType']}): "
                f"{event['ResourceStatus']} {reason}".strip()
            )
        if since is None and reason == "User Initiated":
            break
    return list(reversed(failed))


def _events_since(aws: Aws, stack: str, since: str | None) -> Iterator[dict[str, str]]:
    """The newest first; nothing where there is no such stack."""
    try:
        for page in aws.pages("cloudformation", "describe_stack_events", StackName=stack):
            for event in page["StackEvents"]:
                if event["EventId"] == since:
                    return
                yield event
    except AwsError as error:
        if error.code != "ValidationError":
            raise
