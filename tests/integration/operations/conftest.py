"""A function deployed to moto's server, and the command line that operates it, over HTTP.

What moto leaves out of AWS's API is added to its answers here, each from the API's reference; see
the fixtures `revisions`, `codedeploy` and `statuses`.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from moto.awslambda.exceptions import PreconditionFailedException
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import lambda_simple_backends
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.responses import ActionResult
from moto.server import ThreadedMotoServer
from tests.command_line import command_lines, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command_line import Refused, Run

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
REGION = "eu-central-1"

TEMPLATE: dict[str, Any] = {
    "Resources": {
        "DigitsFunctionRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "DigitsLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
        "DigitsBucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": {"Fn::Sub": "${AWS::StackName}-${AWS::AccountId}-${AWS::Region}"}
            },
        },
        "DigitsFunction": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "app.handler",
                "MemorySize": 512,
                "Role": {"Fn::GetAtt": ["DigitsFunctionRole", "Arn"]},
                "Code": {"ZipFile": "def handler(event, context): return event"},
                "LoggingConfig": {"LogGroup": {"Ref": "DigitsLogs"}},
            },
        },
        "DigitsFunctionVersion1": {
            "Type": "AWS::Lambda::Version",
            "Properties": {"FunctionName": {"Ref": "DigitsFunction"}},
        },
    },
}
"""What SAM makes of template.yaml, as far as moto's CloudFormation knows the resources. It knows no
AWS::Lambda::Alias: the alias is made through Lambda's API."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of moto's server; its functions answer with their event, without Docker."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}})
    yield url
    httpx.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": True}})
    server.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with digits' function.toml, and a stack name of its own."""
    folder = tmp_path / "functions" / "digits"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "functions" / "digits" / "function.toml", folder)
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    return tmp_path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, server: str) -> dict[str, str]:
    """Leads boto3 to the server and to nothing else on this machine."""
    variables = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@dataclass
class Cloud:
    """The account that the tests operate in."""

    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        """The boto3 client of a service: `cloud.s3`."""
        service = service.removesuffix("_")
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=REGION)
        return self.clients[service]

    def deploy(self, stack: str = "liteship", versions: int = 1, live: str = "1") -> str:
        """Makes the stack, publishes versions 1 … and the alias; gives the function's name."""
        self.cloudformation.create_stack(
            StackName=stack, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
        )
        function = self.physical("DigitsFunction", stack)
        for number in range(2, versions + 1):
            self.lambda_.update_function_code(FunctionName=function, ZipFile=zip_of(f"# {number}"))
            self.lambda_.publish_version(FunctionName=function, Description=f"number {number}")
        self.lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion=live)
        return function

    def physical(self, logical_id: str, stack: str = "liteship") -> str:
        resources = self.cloudformation.list_stack_resources(StackName=stack)
        return next(
            str(each["PhysicalResourceId"])
            for each in resources["StackResourceSummaries"]
            if each["LogicalResourceId"] == logical_id
        )

    def percents(self, stack: str = "liteship") -> dict[str, float]:
        """What the alias says, read through Lambda's API."""
        alias = self.lambda_.get_alias(FunctionName=self.physical("DigitsFunction", stack), Name="live")
        weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        rest = 100 - 100 * sum(weights.values())
        return {alias["FunctionVersion"]: rest} | {key: 100 * value for key, value in weights.items()}

    def set_state(self, state: str, stack: str = "liteship") -> None:
        """Puts a stack into a state that no call to moto's API brings about."""
        (found,) = stacks(stack)
        found.status = state

    def stack_exists(self, stack: str = "liteship") -> bool:
        return bool(stacks(stack))


def stacks(name: str) -> list[Any]:
    known = cloudformation_backends[ACCOUNT][REGION].stacks
    return [each for each in known.values() if each.name == name]


def zip_of(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


@pytest.fixture
def cloud(environment: dict[str, str]) -> Iterator[Cloud]:
    httpx.post(f"{environment['AWS_ENDPOINT_URL']}/moto-api/reset")
    cloud = Cloud()
    yield cloud
    for client in cloud.clients.values():
        client.close()


@pytest.fixture
def liteship(
    project: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Runs one command line in the project's folder."""
    yield from command_lines(project, monkeypatch, capsys)


@pytest.fixture
def refused(liteship: Run) -> Refused:
    """Runs a command line that must fail; gives the error's fields."""
    return refusals(liteship)


@pytest.fixture
def revisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's part that moto lacks: an alias changes its RevisionId, and a wrong one is refused.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
    """
    update = LambdaResponse.update_alias
    numbers = itertools.count(1)

    def checked(self: Any) -> Any:
        name, function = (re.findall(r"[^/]+", self.path)[index] for index in (-1, -3))
        alias = lambda_simple_backends[ACCOUNT][REGION].get_alias(name, function)
        wanted = json.loads(self.body).get("RevisionId")
        if wanted not in {None, alias.revision_id}:
            msg = "The RevisionId provided does not match the latest RevisionId of the alias"
            raise PreconditionFailedException(msg)
        alias.revision_id = f"revision-{next(numbers)}"
        return update(self)

    monkeypatch.setattr(LambdaResponse, "update_alias", checked)


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What ListStackResources says instead of moto's CREATE_COMPLETE: logical id to fields.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackResourceSummary.html
    """
    listing = CloudFormationResponse.list_stack_resources
    changes: dict[str, dict[str, str]] = {}

    def changed(self: Any) -> ActionResult:
        found = listing(self)._result["StackResourceSummaries"]
        known = {each["LogicalResourceId"]: each for each in found}
        moment = found[0]["LastUpdatedTimestamp"]
        for logical_id, fields in changes.items():
            blank = {"LogicalResourceId": logical_id, "LastUpdatedTimestamp": moment}
            known[logical_id] = known.get(logical_id, blank) | fields
        return ActionResult({"StackResourceSummaries": list(known.values())})

    monkeypatch.setattr(CloudFormationResponse, "list_stack_resources", changed)
    return changes


@pytest.fixture
def codedeploy(
    cloud: Cloud, statuses: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """The stack's CodeDeploy application with a deployment under way; gives what was stopped.

    moto's CloudFormation makes no CodeDeploy resources, and its CodeDeploy stops nothing:
    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_StopDeployment.html
    """
    names = {"applicationName": "liteship-app", "deploymentGroupName": "liteship-group"}
    cloud.codedeploy.create_application(applicationName="liteship-app", computePlatform="Lambda")
    cloud.codedeploy.create_deployment_group(**names, serviceRoleArn="arn:aws:iam::1:role/any")
    cloud.codedeploy.create_deployment(**names)
    for logical_id, kind, name in (
        ("ServerlessDeploymentApplication", "Application", "liteship-app"),
        ("DigitsFunctionDeploymentGroup", "DeploymentGroup", "liteship-group"),
    ):
        statuses[logical_id] = {
            "PhysicalResourceId": name,
            "ResourceType": f"AWS::CodeDeploy::{kind}",
            "ResourceStatus": "CREATE_COMPLETE",
        }
    stopped: list[dict[str, Any]] = []

    def stop_deployment(self: Any) -> ActionResult:
        request = json.loads(self.body)
        stopped.append(request)
        self.codedeploy_backend.get_deployment(request["deploymentId"]).status = "Stopped"
        return ActionResult({"status": "Pending"})

    monkeypatch.setattr(CodeDeployResponse, "stop_deployment", stop_deployment, raising=False)
    return stopped


@pytest.fixture
def deletion(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Replaces what moto does to a stack that is to be deleted: it does it at once, and always can."""

    def replace(act: Callable[[Any], None]) -> None:
        def delete_stack(self: CloudFormationBackend, name_or_stack_id: str) -> None:
            act(self.get_stack(name_or_stack_id))

        monkeypatch.setattr(CloudFormationBackend, "delete_stack", delete_stack)

    return replace
