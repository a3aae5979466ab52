"""Deleting a stack, with everything in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from liteship.deploy.aws.client import AwsError
from liteship.deploy.aws.stack import failures, look_for_stack, require_quiet
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import Stack

    Progress = Callable[[str, int, int], None]

POLL_S = 3.0

STAGES = {"empty": "emptying buckets", "delete": "deleting the stack"}
"""What `delete_stack` reports."""

COUNTED = 10_000
"""Objects are counted up to this many: an answer a thousand, and a bucket may hold millions."""


def count_objects(aws: Aws, stack: Stack) -> dict[str, int]:
    """The stack's buckets that hold something, with how much: versions and delete markers too.

    Returns:
        Bucket to count; `COUNTED` stands for that many or more.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    counts = {bucket: _count(aws, bucket) for bucket in _buckets(stack)}
    return {bucket: count for bucket, count in counts.items() if count}


def _buckets(stack: Stack) -> list[str]:
    return [
        each.physical_id
        for each in stack.resources.values()
        if each.type == "AWS::S3::Bucket" and each.physical_id
    ]


def _count(aws: Aws, bucket: str) -> int:
    count = 0
    try:
        for page in aws.pages("s3", "list_object_versions", Bucket=bucket):
            count += len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))
            if count >= COUNTED:
                return COUNTED
    except AwsError as error:
        if error.code != "NoSuchBucket":  # an earlier attempt got so far
            raise
    return count


def empty_buckets(aws: Aws, buckets: Mapping[str, int], report: Progress) -> int:
    """Deletes every version of every object; where it is interrupted, the next call goes on.

    Args:
        aws: Where.
        buckets: Bucket to expected number of objects.
        report: Told stage, objects deleted and objects in all.

    Returns:
        How many were deleted.

    Raises:
        DeploymentError: `bucket-not-emptied`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    deleted, expected = 0, sum(buckets.values())
    for bucket in buckets:
        while objects := _first_objects(aws, bucket):
            answer = aws.call(
                "s3", "delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise DeploymentError(
                    "bucket-not-emptied",
                    f"{len(errors)} objects of {bucket} could not be deleted",
                    problems=[
                        f"{each.get('Key')}: {each.get('Code')} {each.get('Message')}"
                        for each in errors[:5]
                    ],
                    hint="mend what S3 names (a bucket policy, an object lock), then delete again",
                )
            deleted += len(objects)
            report("empty", deleted, max(expected, deleted))
    return deleted


def _first_objects(aws: Aws, bucket: str) -> list[dict[str, str]]:
    page = aws.call("s3", "list_object_versions", Bucket=bucket)
    return [
        {"Key": each["Key"], "VersionId": each["VersionId"]}
        for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    ]


def delete_stack(aws: Aws, stack: Stack, report: Progress, poll_s: float = POLL_S) -> None:
    """Deletes a stack and waits until it is gone; one that is being deleted is waited for.

    Args:
        aws: Where.
        stack: As it was found.
        report: Told stage, resources deleted and resources in all.
        poll_s: Time between two looks.

    Raises:
        DeploymentError: `stack-in-progress`, `stack-protected`, `stack-delete-failed`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    if stack.status != "DELETE_IN_PROGRESS":
        require_quiet(stack)
        _ask_for_deletion(aws, stack)
    of = len(stack.resources)
    while True:
        # By its id: CloudFormation still knows a deleted stack by that
        # (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html)
        now = look_for_stack(aws, stack.id)
        if now is None:
            report("delete", of, of)
            return
        if now.status == "DELETE_FAILED":
            raise DeploymentError(
                "stack-delete-failed",
                f"the stack {stack.name} could not be deleted whole",
                problems=failures(now) or [now.reason],
                received=now.status,
                hint="mend what is named, then run liteship delete again",
            )
        report("delete", max(0, of - len(now.resources)), of)
        time.sleep(poll_s)


def _ask_for_deletion(aws: Aws, stack: Stack) -> None:
    try:
        aws.call("cloudformation", "delete_stack", StackName=stack.id)
    except AwsError as error:
        if "TerminationProtection" not in error.message:
            raise
        raise DeploymentError(
            "stack-protected",
            f"the stack {stack.name} is protected against deletion",
            hint="aws cloudformation update-termination-protection --no-enable-termination-protection "
            f"--stack-name {stack.name}",
        ) from error
