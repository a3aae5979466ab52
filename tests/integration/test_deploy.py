"""`liteship deploy` as a user runs it: without an account, and against moto's CloudFormation.

moto transforms no SAM template: the stacks that stand here are made of templates that were translated
before, less what `known_to_moto` leaves out. `sam deploy` itself cannot end there: see the last test.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.cloudformation.models import Event, cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.server import ThreadedMotoServer

from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.stack import look_for_stack
from liteship.deploy.aws.stack_events import failed_events, newest_event, wait_until_quiet
from liteship.deploy.rendering import write
from liteship.deploy.sam.template import DEPLOYMENT_TYPES
from liteship.deploy.sam.translate import NOT_BUILT_ZIP, base_id, parse_template, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Stand = Callable[[Path], str]

# Of what sam's own stack needs and it does not know, moto says so with a warning, in its own thread
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
ACCOUNT = "123456789012"
STAGES = (f"t{number}" for number in itertools.count())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the repository's project, rendered as its function.toml files are now."""
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions", tmp_path / "functions", ignore=ignored)
    shutil.copytree(ROOT / "layers", tmp_path / "layers", ignore=ignored)
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    for name in ("src", ".tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    layers = ROOT / "build" / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "layers").symlink_to(layers)
    write(tmp_path)
    return tmp_path


@pytest.fixture
def wine(project: Path) -> Path:
    """The project with one zip function alone: quick to check, and in no need of Docker."""
    for name in ("digits", "shapes"):
        shutil.rmtree(project / "functions" / name)
    write(project)
    return project


def edit(project: Path, name: str, old: str, new: str) -> None:
    """Changes what a pattern finds in a function.toml, and renders."""
    path = project / "functions" / name / "function.toml"
    text, times = re.subn(old, new, path.read_text())
    assert times == 1, old
    path.write_text(text)
    write(project)


@pytest.fixture
def run(project: Path) -> Run:
    """Runs the command in the project; it sees no credentials but those that are given."""

    def call(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
        nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(project), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "liteship", "deploy", *map(str, arguments), "--to", "lambda"],
            cwd=project,
            env=environment | nowhere | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    return call


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    """The environment that leads to moto's server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment
    server.stop()


@pytest.fixture(scope="module")
def cloudformation(account: dict[str, str]) -> Iterator[Any]:
    s3 = boto3.client("s3")
    bucket, _, key = NOT_BUILT_ZIP.removeprefix("s3://").partition("/")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", "handler = None\n")
    s3.put_object(Bucket=bucket, Key=key, Body=content.getvalue())
    s3.close()
    client = boto3.client("cloudformation")
    yield client
    client.close()


@pytest.fixture
def standing(cloudformation: Any) -> Stand:
    """Makes a stack of a project's template; gives its stage."""

    def create(project: Path) -> str:
        stage = next(STAGES)
        template = translate(
            parse_template((project / "template.yaml").read_text()), parameters={}, region=REGION
        )
        template["Resources"] = known_to_moto(template["Resources"])
        del template["Outputs"]
        cloudformation.create_stack(
            StackName=f"liteship-{stage}",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_IAM"],
        )
        return stage

    return create


@pytest.fixture
def set_status() -> Callable[[str, str], Any]:
    """Puts a stack into a state that moto, whose stacks are made at once, does not come to."""

    def change(stage: str, status: str) -> Any:
        stacks = cloudformation_backends[ACCOUNT][REGION].stacks.values()
        stack = next(each for each in stacks if each.name == f"liteship-{stage}")
        stack.status = status
        return stack

    return change


def known_to_moto(resources: dict[str, Any]) -> dict[str, Any]:
    """The resources that moto creates: no aliases, APIs, URLs, alarms, and nothing that names one.

    A plan against such a stack counts what is left out as new.
    """
    known, models = set(), [CloudFormationModel]
    while models:
        model = models.pop()
        models += model.__subclasses__()
        if model is not CloudFormationModel:
            known.add(model.cloudformation_type())
    kept = {
        name: {key: value for key, value in each.items() if key != "DependsOn"}
        for name, each in resources.items()
        if each["Type"] in known
    }
    while True:
        gone = resources.keys() - kept.keys()
        without = {
            name: each
            for name, each in kept.items()
            if not any(re.search(rf'["{{]{other}["}}.]', json.dumps(each)) for other in gone)
        }
        if without == kept:
            return kept
        kept = without


def happens(stack: Any, resource: str, status: str, reason: str) -> None:
    """Adds an event to moto's stack."""
    stack.events.append(
        Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=resource,
            physical_resource_id=resource,
            resource_type="AWS::Lambda::Function",
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
    )


def plan_of(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["deployed"] is False
    return content["plan"]


def actions(plan: Any) -> dict[str, str]:
    return {each["logical_id"]: each["action"] for each in plan["changes"]}


def refusal(done: subprocess.CompletedProcess[str], code: int, reference: str) -> str:
    """What a refused command said, for people."""
    assert done.returncode == code, done.stdout + done.stderr
    assert f"[{reference}]" in done.stderr
    assert "next step" in done.stderr
    assert "Traceback" not in done.stderr
    assert "is deployed" not in done.stdout
    return " ".join(done.stderr.split())


# ---- without an account


def test_a_dry_run_needs_no_account(run: Run, project: Path) -> None:
    plan = plan_of(run("digits", "--dry-run", "--json"))
    assert plan["looked"] is False
    assert plan["functions"] == ["digits", "shapes", "wine"]
    assert set(actions(plan).values()) == {"created"}
    assert {"DigitsFunction", "DigitsBucket", "WineFunction", "LitertLayer"} <= actions(plan).keys()
    assert plan["sizes_bytes"]["wine"]["function-zipped"] > 0
    assert plan["cost"]["requests"] == 100_000
    assert plan["cost"]["monthly"]["total_usd"] > 0


def test_a_dry_run_for_people_says_what_it_did_not_see(run: Run, wine: Path) -> None:
    done = run("wine", "--dry-run", "--canary", "10%/10m", "--requests-per-month", "5000")
    assert done.returncode == 0, done.stderr
    assert "The account was not looked at" in done.stdout
    assert "created" in done.stdout
    assert "WineRollout Canary10Percent10Minutes" in done.stdout
    assert "5,000 requests" in done.stdout
    assert "is deployed" not in done.stdout


def test_a_rollout_that_codedeploy_does_not_have(run: Run, wine: Path) -> None:
    said = refusal(run("wine", "--dry-run", "--canary", "50%/1h"), 3, "rollout-invalid")
    for rollout in DEPLOYMENT_TYPES:
        assert rollout.removeprefix("canary ") in said


def test_a_template_that_was_left_behind(run: Run, wine: Path) -> None:
    path = wine / "template.yaml"
    path.write_text(f"{path.read_text()}# by hand\n")
    assert "liteship render" in refusal(run("wine", "--dry-run"), 3, "template-drift")


def test_a_missing_artifact(run: Run, wine: Path) -> None:
    shutil.rmtree(wine / "functions" / "wine" / "model")
    assert "liteship convert" in refusal(run("wine", "--dry-run"), 8, "artifact-missing")


def test_a_limit_that_is_exceeded(run: Run, wine: Path) -> None:
    edit(wine, "wine", r"timeout_s = \d+", "timeout_s = 60")
    edit(wine, "wine", 'http = "function-url"', 'http = "http-api"')
    assert "http-timeout" in refusal(run("wine", "--dry-run"), 10, "limit-exceeded")


def test_no_credentials(run: Run, wine: Path) -> None:
    done = run("wine", "--yes", AWS_DEFAULT_REGION=REGION)
    assert "aws configure" in refusal(done, 11, "credentials-missing")


def test_no_region(run: Run, wine: Path) -> None:
    assert "--region" in refusal(run("wine", "--yes"), 11, "region-missing")


def test_nobody_at_the_endpoint(
    run: Run, wine: Path, account: dict[str, str], closed_port: int
) -> None:
    nowhere = account | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port}"}
    refusal(run("wine", "--yes", **nowhere), 11, "aws-unreachable")
    refusal(run("wine", "--dry-run", **nowhere), 11, "aws-unreachable")


def test_no_sam(run: Run, wine: Path, account: dict[str, str]) -> None:
    (wine / ".tools").unlink()
    done = run("wine", "--yes", **account, PATH="/usr/bin:/bin")
    assert "make .tools/sam" in refusal(done, 11, "sam-missing")


def test_no_docker_engine(run: Run, project: Path, account: dict[str, str]) -> None:
    gone = {"DOCKER_HOST": f"unix://{project}/no-engine.sock"}
    done = run("digits", "--yes", **account, **gone)
    assert "Docker" in refusal(done, 9, "docker-unreachable")


def test_nobody_to_ask(run: Run, wine: Path, account: dict[str, str]) -> None:
    refusal(run("wine", **account), 3, "confirmation-missing")
    as_json = run("wine", "--json", **account)
    assert as_json.returncode == 3
    assert json.loads(as_json.stdout)["reference"] == "confirmation-missing"


# ---- against a stack that stands


def test_every_kind_of_change_is_told(
    run: Run, project: Path, account: dict[str, str], standing: Stand
) -> None:
    shutil.copytree(project / "functions" / "wine", project / "functions" / "old")
    edit(project, "old", 'name = "wine"', 'name = "old"')
    edit(project, "wine", 'package = "zip"', 'package = "image"')
    edit(project, "digits", r"memory_mib = \d+", "memory_mib = 640")
    stage = standing(project)
    shutil.rmtree(project / "functions" / "old")
    edit(project, "wine", 'package = "image"', 'package = "zip"')
    edit(project, "digits", "memory_mib = 640", "memory_mib = 512")
    edit(project, "wine", 'http = "function-url"', 'http = "http-api"')

    plan = plan_of(run("digits", "--dry-run", "--stage", stage, "--json", **account))
    assert plan["looked"] is True
    assert plan["status"] == "CREATE_COMPLETE"
    found = actions(plan)
    assert found["WineApi"] == "created"
    assert found["DigitsFunction"] == "updated"
    assert found["DigitsFunctionVersion"] == "published"
    assert found["WineFunction"] == "replaced"
    assert found["OldFunction"] == found["OldLogs"] == "removed"
    assert found["DigitsLogs"] == found["DigitsRole"] == "unchanged"
    version = next(each for each in plan["changes"] if each["logical_id"] == "DigitsFunctionVersion")
    assert version["differences"] == [{"property": "MemorySize", "before": "640", "after": "512"}]
    assert "OldLogs (AWS::Logs::LogGroup) is removed" in "\n".join(plan["losses"])
    assert plan["rollout"] == "canary 10%/10m"
    assert "DigitsFunction" in plan["undecided"], "its image is not built"


def test_the_same_project_changes_nothing_that_stands(
    run: Run, wine: Path, account: dict[str, str], standing: Stand, cloudformation: Any
) -> None:
    stage = standing(wine)
    plan = plan_of(run("wine", "--dry-run", "--stage", stage, "--json", **account))
    body = cloudformation.get_template(StackName=f"liteship-{stage}")["TemplateBody"]
    stood = {base_id(name, each["Type"]) for name, each in body["Resources"].items()}
    assert {"WineFunction", "WineFunctionVersion", "LitertLayer", "WineLogs"} <= stood
    assert {name for name, action in actions(plan).items() if action == "unchanged"} == stood
    assert set(actions(plan).values()) == {"unchanged", "created"}
    assert plan["losses"] == []


def test_a_bucket_is_not_let_go_of_without_a_word(
    run: Run, wine: Path, account: dict[str, str], standing: Stand
) -> None:
    edit(wine, "wine", r"\[lambda\]", "[triggers.s3]\nqueue = true\n\n[lambda]")
    stage = standing(wine)
    edit(wine, "wine", r"\[triggers.s3\]\nqueue = true\n\n", "")
    looked = run("wine", "--dry-run", "--stage", stage, **account)
    assert looked.returncode == 0, looked.stderr
    assert "lost: WineBucket (AWS::S3::Bucket) is removed" in looked.stdout
    said = refusal(run("wine", "--yes", "--stage", stage, **account), 11, "replacement-not-allowed")
    assert "WineBucket" in said
    assert "--allow-replacement" in said


@pytest.mark.parametrize(
    ("status", "reference", "next_step"),
    [
        ("ROLLBACK_COMPLETE", "stack-rollback-complete", "liteship delete"),
        ("UPDATE_ROLLBACK_FAILED", "stack-rollback-failed", "continue-update-rollback"),
    ],
)
def test_a_stack_that_cannot_be_updated(  # noqa: PLR0917  # fixtures
    run: Run,
    wine: Path,
    account: dict[str, str],
    standing: Stand,
    set_status: Callable[[str, str], Any],
    status: str,
    reference: str,
    next_step: str,
) -> None:
    stage = standing(wine)
    set_status(stage, status)
    done = run("wine", "--yes", "--stage", stage, **account)
    assert next_step in refusal(done, 11, reference)


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_that_an_interruption_left(
    run: Run,
    wine: Path,
    account: dict[str, str],
    standing: Stand,
    set_status: Callable[[str, str], Any],
    status: str,
) -> None:
    stage = standing(wine)
    set_status(stage, status)
    plan = plan_of(run("wine", "--dry-run", "--stage", stage, "--json", **account))
    holds_nothing = status == "REVIEW_IN_PROGRESS"
    assert actions(plan)["WineFunction"] == ("created" if holds_nothing else "unchanged")


def test_what_cloudformation_is_doing_is_waited_for(
    wine: Path,
    account: dict[str, str],
    standing: Stand,
    set_status: Callable[[str, str], Any],
) -> None:
    stage = standing(wine)
    busy = set_status(stage, "UPDATE_IN_PROGRESS")
    said: list[str] = []
    with Aws(REGION) as aws:
        stack = look_for_stack(aws, f"liteship-{stage}")
        assert stack is not None

        def end(line: str) -> None:
            said.append(line)
            if len(said) == 1:
                threading.Timer(0.3, finish).start()

        def finish() -> None:
            happens(busy, "WineFunction", "UPDATE_COMPLETE", "")
            busy.status = "UPDATE_COMPLETE"

        now = wait_until_quiet(aws, stack, end, poll_s=0.05)
    assert now is not None
    assert now.status == "UPDATE_COMPLETE"
    assert "UPDATE_IN_PROGRESS" in said[0]
    assert said[1:] == ["UPDATE_COMPLETE WineFunction"]


def test_what_failed_is_told_without_what_failed_with_it(
    wine: Path,
    account: dict[str, str],
    standing: Stand,
    set_status: Callable[[str, str], Any],
) -> None:
    name = f"liteship-{standing(wine)}"
    failed = set_status(name.removeprefix("liteship-"), "UPDATE_ROLLBACK_COMPLETE")
    with Aws(REGION) as aws:
        before = newest_event(aws, name)
        assert failed_events(aws, name, before) == []
        for resource, reason in (
            ("WineFunction", "The image is not there"),
            ("WineApi", "Resource update cancelled"),
        ):
            happens(failed, resource, "UPDATE_FAILED", reason)
        (line,) = failed_events(aws, name, before)
        assert newest_event(aws, "liteship-none") is None
    assert line.startswith("WineFunction (")
    assert "UPDATE_FAILED The image is not there" in line


# ---- sam itself


def test_sam_builds_and_its_failure_to_deploy_is_told(
    run: Run, wine: Path, account: dict[str, str]
) -> None:
    """moto makes the stack of SAM's own bucket, but without the outputs that sam asks for."""
    done = run("wine", "--yes", "--stage", next(STAGES), **account)
    said = refusal(done, 11, "sam-deploy-failed")
    assert "deploying the stack" in said
    assert "aws-sam-cli-managed-default" in said
    assert "was not created" in said
    assert "build/deploy.log" in said
    log = (wine / "build" / "deploy.log").read_text()
    assert "Build Succeeded" in log
    assert "sam deploy" in log
    built = {path.name for path in (wine / ".aws-sam" / "build").iterdir()}
    assert {"WineFunction", "LitertLayer", "WebLayer"} <= built


def test_a_base_image_without_an_image(run: Run, wine: Path) -> None:
    said = refusal(run("wine", "--dry-run", "--base-image", "mine:1"), 3, "base-image-unused")
    assert "package" in said
