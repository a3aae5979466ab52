"""What can be wrong with credentials, regions, networks, permissions and stacks: each an error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from moto.iam.access_control import IAMRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command_line import Refused, Run
    from tests.integration.operations.conftest import Cloud


ROOT = Path(__file__).parents[3]

COMMANDS = {
    "versions": ["versions", "digits"],
    "traffic": ["traffic", "digits", "1=100"],
    "rollback": ["rollback", "digits"],
    "logs": ["logs", "digits"],
    "invoke": ["invoke", "digits", "--event", "event.json", "--stage", "default"],
    "delete": ["delete", "digits", "--yes"],
}

commands = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture(autouse=True)
def _event(project: Path) -> None:
    (project / "event.json").write_text("{}")


@commands
def test_no_credentials(refused: Refused, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = refused(*command)
    assert error["reference"] == "credentials-missing"
    assert "aws configure" in error["hint"]


def test_half_of_the_credentials(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refused("versions", "digits")["reference"] == "credentials-missing"


def test_a_profile_that_is_not_there(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    error = refused("versions", "digits")
    assert error["reference"] == "aws-profile"
    assert "nobody" in error["error"]


@commands
def test_no_region(refused: Refused, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    error = refused(*command)
    assert error["reference"] == "region-missing"
    assert "--region" in error["hint"]


@pytest.mark.usefixtures("environment")
def test_the_region_is_taken_from_where_aws_tools_look(
    cloud: Cloud, liteship: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud.deploy()
    monkeypatch.delenv("AWS_REGION")

    def region(*options: str) -> Any:
        return liteship("versions", "digits", "--json", *options).json["region"]

    assert region("--region", "eu-central-1") == "eu-central-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert region() == "eu-central-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert region() == "eu-central-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert region() == "eu-central-1"


def test_another_region_has_another_stack(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy()
    error = refused("versions", "digits", "--region", "us-east-1")
    assert error["reference"] == "stack-missing"
    assert "us-east-1" in error["error"]


@commands
def test_nobody_answers(
    refused: Refused, command: list[str], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    error = refused(*command)
    assert error["reference"] == "aws-unreachable"
    assert str(closed_port) in error["error"]


@pytest.mark.parametrize("address", ["nonsense", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    assert refused("versions", "digits")["reference"] == "aws-unreachable"


def test_a_region_that_cannot_be_one(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    error = refused("versions", "digits", "--region", "eu central")
    assert error["reference"] == "aws-unreachable"
    assert "eu central" in error["error"]


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a server that is not AWS, as behind a captive portal."""

    class Portal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = b"<html><body>Welcome!</body></html>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_somebody_else_answers(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stranger)
    assert refused("versions", "digits")["reference"] == "aws-unreachable"


@pytest.fixture
def allow(cloud: Cloud, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Deploys the function, then makes the server check permissions and gives us no more than these."""

    def allow(*actions: str) -> None:
        cloud.deploy(versions=2, live="2")
        cloud.iam.create_user(UserName="reader")
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        cloud.iam.put_user_policy(
            UserName="reader",
            PolicyName="some",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        key = cloud.iam.create_access_key(UserName="reader")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        # moto takes botocore's signatures of Lambda's requests for wrong ones
        monkeypatch.setattr(IAMRequest, "check_signature", lambda _self: None)
        httpx.post(f"{server}/moto-api/reset-auth", content="0")

    yield allow
    httpx.post(f"{server}/moto-api/reset-auth", content="inf")


@commands
def test_the_permission_that_is_missing_is_named(
    refused: Refused, allow: Callable[..., None], command: list[str]
) -> None:
    allow("lambda:*")
    error = refused(*command)
    assert error["reference"] == "access-denied"
    assert "cloudformation:DescribeStacks" in error["hint"]


def test_a_permission_that_is_not_called_like_the_operation(
    refused: Refused, allow: Callable[..., None]
) -> None:
    allow("cloudformation:*")
    error = refused("delete", "digits", "--yes")
    assert error["reference"] == "access-denied"
    assert "s3:ListBucketVersions" in error["hint"]


@pytest.mark.parametrize("name", ["versions", "traffic", "rollback", "logs", "delete"])
def test_the_permissions_that_the_guide_names_are_enough(
    liteship: Run, allow: Callable[..., None], name: str
) -> None:
    guide = (ROOT / "docs" / "guides" / "operations.md").read_text()
    always = re.findall(r"besides `(\S+)` and `(\S+)`", guide)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*:.*) \|$", guide, re.MULTILINE))
    rows["rollback"] = rows["traffic"]
    named = re.findall(r"`(\w+:\w+)`", rows[name])
    allow(*always, *named)
    result = liteship(*COMMANDS[name])
    assert result.code == 0, result.errors


def test_credentials_that_aws_does_not_know(
    refused: Refused, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow("*")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00")
    error = refused("versions", "digits")
    assert error["reference"] == "credentials-invalid"


def test_without_boto3(project: Path, environment: dict[str, str]) -> None:
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from liteship.cli.main import run; sys.exit(run(['versions', 'digits']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "extra-missing" in done.stderr
    assert "liteship[deploy]" in done.stderr


@pytest.mark.parametrize("name", ["versions", "traffic", "rollback", "logs", "invoke"])
def test_nothing_is_deployed(cloud: Cloud, refused: Refused, name: str) -> None:
    error = refused(*COMMANDS[name])
    assert error["reference"] == "stack-missing"
    assert "liteship deploy" in error["hint"]


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"])
@pytest.mark.parametrize("name", ["versions", "traffic", "rollback", "logs", "invoke"])
def test_a_stack_that_can_only_be_deleted(
    cloud: Cloud, refused: Refused, name: str, state: str
) -> None:
    cloud.deploy()
    cloud.set_state(state)
    error = refused(*COMMANDS[name])
    assert error["reference"] == "stack-rollback-complete"
    assert error["received"] == state
    assert "liteship delete" in error["hint"]


def test_why_the_first_deployment_failed_is_told(
    cloud: Cloud, refused: Refused, statuses: dict[str, dict[str, str]]
) -> None:
    cloud.deploy()
    cloud.set_state("ROLLBACK_COMPLETE")
    statuses["DigitsBucket"] = {
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": "the bucket exists already",
    }
    (problem,) = refused("versions", "digits")["problems"]
    assert problem == "DigitsBucket (AWS::S3::Bucket): CREATE_FAILED the bucket exists already"


def test_a_change_set_that_nobody_carried_out(cloud: Cloud, refused: Refused) -> None:
    template = {"Resources": {"DigitsLogs": {"Type": "AWS::Logs::LogGroup"}}}
    cloud.cloudformation.create_change_set(
        StackName="liteship",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
    )
    assert refused("versions", "digits")["reference"] == "stack-in-review"


@pytest.mark.parametrize("name", ["traffic", "rollback", "delete"])
def test_nobody_interferes_with_cloudformation(cloud: Cloud, refused: Refused, name: str) -> None:
    cloud.deploy()
    cloud.set_state("UPDATE_IN_PROGRESS")
    error = refused(*COMMANDS[name])
    assert error["reference"] == "stack-in-progress"
    assert error["received"] == "UPDATE_IN_PROGRESS"


@pytest.mark.parametrize("name", ["versions", "logs", "invoke"])
def test_looking_is_allowed_while_cloudformation_works(cloud: Cloud, liteship: Run, name: str) -> None:
    cloud.deploy()
    cloud.set_state("UPDATE_IN_PROGRESS")
    assert liteship(*COMMANDS[name]).code == 0


def test_a_stack_without_this_function(cloud: Cloud, refused: Refused, project: Path) -> None:
    cloud.deploy()
    folder = project / "functions" / "wine"
    folder.mkdir()
    digits = (project / "functions" / "digits" / "function.toml").read_text()
    (folder / "function.toml").write_text(digits.replace('name = "digits"', 'name = "wine"'))
    error = refused("versions", "wine")
    assert error["reference"] == "function-not-deployed"
    assert error["received"] == "DigitsFunction"


@pytest.mark.parametrize("stage", ["", "Prod", "a_b", "-a", "a-", "x" * 21])
def test_a_stage_that_cannot_be_one(refused: Refused, stage: str) -> None:
    assert refused("versions", "digits", f"--stage={stage}")["reference"] == "stage-invalid"


def test_a_function_that_is_not_in_the_project(refused: Refused) -> None:
    assert refused("delete", "nothing", "--yes")["reference"] == "function-missing"
