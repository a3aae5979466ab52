"""`liteship delete`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command_line import Refused, Run
    from tests.integration.operations.conftest import Cloud

    Deletion = Callable[[Callable[[Any], None]], None]

BUCKET = "liteship-123456789012-eu-central-1"


def fill(cloud: Cloud) -> None:
    """One object in three versions, one that is deleted but for its versions: 6 entries."""
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2", b"3"):
        cloud.s3.put_object(Bucket=BUCKET, Key="incoming/7.png", Body=body)
    cloud.s3.put_object(Bucket=BUCKET, Key="results/7.json", Body=b"{}")
    cloud.s3.put_object(Bucket=BUCKET, Key="results/8.json", Body=b"{}")
    cloud.s3.delete_object(Bucket=BUCKET, Key="results/8.json")


def test_a_stack_is_deleted_whole(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy()
    result = liteship("delete", "digits", "--yes", "--json")
    assert result.code == 0
    assert result.json["deleted"]
    assert "DigitsFunction" in result.json["resources"]
    assert not cloud.stack_exists()
    assert cloud.lambda_.list_functions()["Functions"] == []


def test_the_stack_is_shown_first(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy()
    output = liteship("delete", "digits", "--yes").output
    shown = output.index("AWS::Lambda::Function")
    assert output.index("CREATE_COMPLETE") < shown < output.index("the stack liteship is deleted")


def test_a_second_time_there_is_nothing_to_do(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy()
    liteship("delete", "digits", "--yes")
    again = liteship("delete", "digits")
    assert again.code == 0
    assert "there is no stack liteship in eu-central-1" in again.output
    assert liteship("delete", "digits", "--json").json == {"stack": "liteship", "deleted": False}


def test_only_the_stage_asked_for_is_deleted(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy()
    cloud.deploy("liteship-test")
    assert liteship("delete", "digits", "--stage", "test", "--yes").code == 0
    assert cloud.stack_exists()
    assert not cloud.stack_exists("liteship-test")


def test_nothing_is_deleted_where_nobody_can_be_asked(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy()
    error = refused("delete", "digits")
    assert error["reference"] == "confirmation-missing"
    assert "--yes" in error["hint"]
    assert cloud.stack_exists()


@pytest.mark.parametrize(("answer", "code", "kept"), [("n", 130, True), ("y", 0, False)])
def test_a_person_is_asked(
    cloud: Cloud, environment: dict[str, str], project: Path, answer: str, code: int, kept: bool
) -> None:
    cloud.deploy()
    person, terminal = pty.openpty()
    threading.Timer(0, os.write, (person, f"{answer}\n".encode())).start()
    done = subprocess.run(
        [sys.executable, "-m", "liteship", "delete", "digits"],
        cwd=project,
        env=os.environ | environment,
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(person)
    os.close(terminal)
    assert "Delete all 5 resources of liteship?" in done.stdout
    assert (done.returncode, cloud.stack_exists()) == (code, kept), done.stderr


def test_a_bucket_with_objects_stops_it(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy()
    fill(cloud)
    error = refused("delete", "digits", "--yes")
    assert error["reference"] == "bucket-not-empty"
    assert error["problems"] == [f"{BUCKET}: 6 objects"]
    assert "--empty-bucket" in error["hint"]
    assert cloud.stack_exists()


def test_a_bucket_is_emptied_on_request(cloud: Cloud, liteship: Run, deletion: Deletion) -> None:
    cloud.deploy()
    fill(cloud)
    left: list[Any] = []

    def look(stack: Any) -> None:
        listed = cloud.s3.list_object_versions(Bucket=BUCKET)
        left.extend(listed.get("Versions", []) + listed.get("DeleteMarkers", []))
        stack.status = "DELETE_COMPLETE"

    deletion(look)
    result = liteship("delete", "digits", "--empty-bucket", "--yes", "--json")
    assert result.json["objects"] == 6
    assert left == []


def test_more_objects_than_one_answer_lists(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy()
    for number in range(1002):
        cloud.s3.put_object(Bucket=BUCKET, Key=f"results/{number}.json", Body=b"")
    result = liteship("delete", "digits", "--empty-bucket", "--yes", "--json")
    assert result.json["objects"] == 1002


def test_a_bucket_that_is_gone_already_is_no_obstacle(
    cloud: Cloud, liteship: Run, deletion: Deletion
) -> None:
    cloud.deploy()
    cloud.s3.delete_bucket(Bucket=BUCKET)

    def delete(stack: Any) -> None:  # CloudFormation passes over what is not there; moto does not
        stack.status = "DELETE_COMPLETE"

    deletion(delete)
    assert liteship("delete", "digits", "--yes", "--json").json["objects"] == 0


@pytest.mark.parametrize(
    "state",
    ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS", "UPDATE_COMPLETE"],
)
def test_a_stack_is_deleted_from_every_state_at_rest(cloud: Cloud, liteship: Run, state: str) -> None:
    cloud.deploy()
    cloud.set_state(state)
    assert liteship("delete", "digits", "--yes").code == 0
    assert not cloud.stack_exists()


def test_a_stack_at_work_is_left_alone(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy()
    cloud.set_state("UPDATE_IN_PROGRESS")
    assert refused("delete", "digits", "--yes")["reference"] == "stack-in-progress"
    assert cloud.stack_exists()


def test_it_waits_until_the_stack_is_gone(cloud: Cloud, liteship: Run, deletion: Deletion) -> None:
    cloud.deploy()

    def begin(stack: Any) -> None:
        stack.status = "DELETE_IN_PROGRESS"
        threading.Timer(1, finish, (stack,)).start()

    def finish(stack: Any) -> None:
        stack.status = "DELETE_COMPLETE"

    deletion(begin)
    assert liteship("delete", "digits", "--yes", "--json").json["deleted"]
    assert cloud.cloudformation.describe_stacks()["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


def test_a_deletion_under_way_is_waited_for(cloud: Cloud, liteship: Run, deletion: Deletion) -> None:
    cloud.deploy()
    asked: list[Any] = []
    deletion(asked.append)
    cloud.set_state("DELETE_IN_PROGRESS")
    threading.Timer(1, cloud.set_state, ("DELETE_COMPLETE",)).start()
    assert liteship("delete", "digits", "--yes", "--json").json["deleted"]
    assert asked == []


def test_what_could_not_be_deleted_is_told(
    cloud: Cloud, refused: Refused, deletion: Deletion, statuses: dict[str, dict[str, str]]
) -> None:
    cloud.deploy()

    def fail(stack: Any) -> None:
        stack.status = "DELETE_FAILED"
        statuses["DigitsBucket"] = {
            "ResourceStatus": "DELETE_FAILED",
            "ResourceStatusReason": "The bucket you tried to delete is not empty",
        }
        statuses["DigitsFunction"] = {"ResourceStatus": "DELETE_COMPLETE"}

    deletion(fail)
    error = refused("delete", "digits", "--yes")
    assert error["reference"] == "stack-delete-failed"
    assert error["problems"] == [
        "DigitsBucket (AWS::S3::Bucket): DELETE_FAILED The bucket you tried to delete is not empty"
    ]
