"""template.yaml in the eyes of SAM's own tool: valid, and translated to what was meant."""

from __future__ import annotations

import functools
import graphlib
import importlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship.deploy.sam.template import render

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"


@pytest.fixture
def validate(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs `sam validate --lint`, with no credentials in reach, on a template's text."""

    def run(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "template.yaml"
        path.write_text(text)
        variables = {name: value for name, value in os.environ.items() if "AWS" not in name}
        return subprocess.run(
            [SAM, "validate", "--lint", "--template", path],
            cwd=tmp_path,
            env=variables | {"SAM_CLI_TELEMETRY": "0", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert SAM.is_file(), f"there is no {SAM}: run make"
    return run


@pytest.fixture
def template() -> str:
    return (ROOT / "template.yaml").read_text()


def test_the_template_is_valid(
    validate: Callable[[str], subprocess.CompletedProcess[str]], template: str
) -> None:
    done = validate(template)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("MemorySize: 512", "MemorySize: 64"),
        ("!Ref DigitsLogs", "!Ref DigitsLog"),
    ],
)
def test_a_mistake_in_it_would_be_found(
    validate: Callable[[str], subprocess.CompletedProcess[str]],
    template: str,
    right: str,
    wrong: str,
) -> None:
    assert right in template
    assert validate(template.replace(right, wrong)).returncode != 0


TRANSLATE = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

class NoManagedPolicies:
    def load(self):
        return {}

template = yaml_parse(sys.stdin.read())
for resource in template["Resources"].values():
    properties = resource["Properties"]
    if properties.get("PackageType") == "Image":  # as sam package would set them
        properties["ImageUri"] = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:v1"
    for key in {"CodeUri", "ContentUri"} & properties.keys():
        if not properties[key].startswith("s3://"):
            properties[key] = "s3://packages/package.zip"
print(json.dumps(transform(template, json.loads(sys.argv[1]), NoManagedPolicies())))
"""


@functools.cache
def translate(template: str, **parameters: str) -> dict[str, Any]:
    """The CloudFormation resources that SAM makes of the template, by logical id."""
    done = subprocess.run(
        [SAM.with_name("python"), "-c", TRANSLATE, json.dumps(parameters)],
        env=os.environ | {"AWS_DEFAULT_REGION": "eu-central-1"},
        input=template,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resources: dict[str, Any] = json.loads(done.stdout)["Resources"]
    return resources


def references(value: object) -> set[str]:
    """Every logical id that a value refers to, in whichever form."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*(references(each) for each in value.values()))
    if isinstance(value.get("Ref"), str):
        found.add(value["Ref"])
    if target := value.get("Fn::GetAtt"):
        found.add(target[0] if isinstance(target, list) else target.split(".")[0])
    if text := value.get("Fn::Sub"):
        text = text if isinstance(text, str) else text[0]
        found |= set(re.findall(r"\$\{(\w+)[.}]", text))
    if waits_for := value.get("DependsOn"):
        found |= {waits_for} if isinstance(waits_for, str) else set(waits_for)
    return found


def order(resources: dict[str, Any]) -> list[str]:
    """An order in which CloudFormation can create them; CycleError where there is none."""
    graph = {name: references(resource) & resources.keys() for name, resource in resources.items()}
    return [*graphlib.TopologicalSorter(graph).static_order()]


VARIANTS = {
    "queued": "[triggers.s3]\nqueue = true\n[lambda]\ntags = {team = 'ml'}",
    "shared": "[triggers.s3]\nbucket = 'uploads'\n[lambda]\nhttp = 'function-url'\nsnap_start = true",
    "both": """
[triggers]
http = false
s3 = {bucket = 'uploads', queue = true, input_prefix = 'in/', output_prefix = 'out/'}
[lambda]
package = 'zip'
provisioned_concurrency = 2
rollout = 'canary 10%/5m'
alarms = {p99_ms = 500, low_confidence_share = 0.5}
""",
}
"""Functions that, together with the committed ones, use everything the template can say."""


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rendered template of `VARIANTS`."""
    root = tmp_path_factory.mktemp("variants")
    for name, more in VARIANTS.items():
        folder = root / "functions" / name
        folder.mkdir(parents=True)
        (folder / "function.toml").write_text(
            f"""name = "{name}"
version = "1"
[model]
source = "x.keras"
calibration = "calibration.npz"
[input]
kind = "tensor"
{more}
"""
        )
    return render(root)[root / "template.yaml"]


def test_the_variants_are_valid(
    validate: Callable[[str], subprocess.CompletedProcess[str]], variants: str
) -> None:
    done = validate(variants)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cloudformation_can_create_it_in_some_order(template: str, variants: str) -> None:
    created = order(translate(template))
    assert created.index("DigitsRole") < created.index("DigitsFunction")
    assert created.index("DigitsFunction") < created.index("DigitsBucket")
    created = order(translate(variants))
    assert created.index("QueuedQueuePolicy") < created.index("QueuedBucket")


def test_a_reference_to_the_bucket_would_close_a_circle(template: str) -> None:
    name = "${AWS::StackName}-digits-${AWS::AccountId}-${AWS::Region}/incoming/*"
    circular = template.replace(name, "${DigitsBucket}/incoming/*")
    assert circular != template
    with pytest.raises(graphlib.CycleError):
        order(translate(circular))


def statements(resources: dict[str, Any], role: str) -> dict[str, tuple[Any, Any, Any]]:
    """What a role allows: action, resource and condition by statement id."""
    properties = resources[role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    assert [each["Principal"] for each in properties["AssumeRolePolicyDocument"]["Statement"]] == [
        {"Service": "lambda.amazonaws.com"}
    ]
    (policy,) = properties["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert {each["Effect"] for each in found} == {"Allow"}
    return {each["Sid"]: (each["Action"], each["Resource"], each.get("Condition")) for each in found}


def s3_statements(bucket: str, incoming: str, results: str) -> dict[str, tuple[Any, Any, Any]]:
    arn = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    return {
        "ReadUploads": ("s3:GetObject", {"Fn::Sub": f"{arn}/{incoming}*"}, None),
        "TellMissingFromForbidden": (
            "s3:ListBucket",
            {"Fn::Sub": arn},
            {"StringLike": {"s3:prefix": f"{incoming}*"}},
        ),
        "WriteResults": ("s3:PutObject", {"Fn::Sub": f"{arn}/{results}*"}, None),
    }


def log_statement(group: str) -> dict[str, tuple[Any, Any, Any]]:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return {"WriteLogs": (actions, {"Fn::GetAtt": [group, "Arn"]}, None)}


def queue_statement(queue: str) -> dict[str, tuple[Any, Any, Any]]:
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    return {"TakeFromQueue": (actions, {"Fn::GetAtt": [queue, "Arn"]}, None)}


def hook_statements(function: str) -> dict[str, tuple[Any, Any, Any]]:
    group = (
        "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:"
        "${ServerlessDeploymentApplication}/*"
    )
    return log_statement(f"{function}HookLogs") | {
        "AskNewVersion": (
            "lambda:InvokeFunction",
            {"Fn::Sub": f"${{{function}Function.Arn}}:*"},
            None,
        ),
        "TellCodeDeploy": (
            "codedeploy:PutLifecycleEventHookExecutionStatus",
            {"Fn::Sub": group},
            None,
        ),
    }


def test_every_role_may_do_its_work_and_nothing_else(template: str, variants: str) -> None:
    own = "${AWS::StackName}-{name}-${AWS::AccountId}-${AWS::Region}"
    expected = {
        "DigitsRole": log_statement("DigitsLogs")
        | s3_statements(own.replace("{name}", "digits"), "incoming/", "results/"),
        "ShapesRole": log_statement("ShapesLogs")
        | s3_statements(own.replace("{name}", "shapes"), "incoming/", "results/"),
        "WineRole": log_statement("WineLogs"),
        "QueuedRole": log_statement("QueuedLogs")
        | s3_statements(own.replace("{name}", "queued"), "incoming/", "results/")
        | queue_statement("QueuedQueue"),
        "SharedRole": log_statement("SharedLogs") | s3_statements("uploads", "incoming/", "results/"),
        "BothRole": log_statement("BothLogs")
        | s3_statements("uploads", "in/", "out/")
        | queue_statement("BothQueue"),
    }
    expected |= {
        role.replace("Role", "HookRole"): hook_statements(role.removesuffix("Role"))
        for role in expected
    }
    resources = translate(template) | translate(variants)
    roles = {name for name, each in resources.items() if each["Type"] == "AWS::IAM::Role"}
    assert roles == expected.keys() | {"CodeDeployServiceRole"}
    for role, allowed in expected.items():
        assert statements(resources, role) == allowed, role


def test_the_world_may_invoke_functions_with_a_url_and_no_others(template: str, variants: str) -> None:
    resources = translate(template) | translate(variants)
    callers: dict[str, set[tuple[str, str]]] = {}
    for each in resources.values():
        if each["Type"] == "AWS::Lambda::Permission":
            properties = each["Properties"]
            # never the function itself: an unqualified permission would reach unproven versions
            target = properties["FunctionName"]["Ref"]
            callers.setdefault(target, set()).add((properties["Principal"], properties["Action"]))
    url = {("*", "lambda:InvokeFunctionUrl"), ("*", "lambda:InvokeFunction")}
    api = {("apigateway.amazonaws.com", "lambda:InvokeFunction")}
    assert callers == {
        "DigitsFunctionAliaslive": api | {("s3.amazonaws.com", "lambda:InvokeFunction")},
        "ShapesFunctionAliaslive": url | {("s3.amazonaws.com", "lambda:InvokeFunction")},
        "WineFunctionAliaslive": url,
        "QueuedFunctionAliaslive": api,
        "SharedFunctionAliaslive": url | {("events.amazonaws.com", "lambda:InvokeFunction")},
    }


def test_only_its_own_bucket_may_invoke_the_function(template: str) -> None:
    permissions = [
        resource["Properties"]
        for resource in translate(template).values()
        if resource["Type"] == "AWS::Lambda::Permission"
        and resource["Properties"]["Principal"] == "s3.amazonaws.com"
    ]
    assert [each["FunctionName"]["Ref"] for each in permissions] == [
        "DigitsFunctionAliaslive",
        "ShapesFunctionAliaslive",
    ]
    assert all(each["SourceAccount"] == {"Ref": "AWS::AccountId"} for each in permissions)


def test_queues_take_messages_from_their_own_source_alone(variants: str) -> None:
    resources = translate(variants)
    conditions = {}
    for name in ("Queued", "Both"):
        policy = resources[f"{name}QueuePolicy"]["Properties"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
        conditions[name] = (statement["Principal"]["Service"], statement["Condition"]["ArnEquals"])
    bucket = "arn:${AWS::Partition}:s3:::${AWS::StackName}-queued-${AWS::AccountId}-${AWS::Region}"
    assert conditions == {
        "Queued": ("s3.amazonaws.com", {"aws:SourceArn": {"Fn::Sub": bucket}}),
        "Both": (
            "events.amazonaws.com",
            {"aws:SourceArn": {"Fn::GetAtt": ["BothUploads", "Arn"]}},
        ),
    }


def test_the_alias_moves_after_the_hook_and_back_on_an_alarm(template: str, variants: str) -> None:
    for resources in (translate(template), translate(variants)):
        aliases = {n: each for n, each in resources.items() if each["Type"] == "AWS::Lambda::Alias"}
        assert aliases
        for name, alias in aliases.items():
            function = name.removesuffix("FunctionAliaslive")
            update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
            assert update["BeforeAllowTrafficHook"] == {"Ref": f"{function}Hook"}
            group = resources[update["DeploymentGroupName"]["Ref"]]["Properties"]
            assert group["AutoRollbackConfiguration"]["Enabled"]
            alarms = {n for n, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
            watched = {
                each["Name"]["Ref"] for each in group.get("AlarmConfiguration", {}).get("Alarms", [])
            }
            assert watched == {alarm for alarm in alarms if alarm.startswith(function)}


def test_a_rollout_can_be_chosen_at_deployment(template: str) -> None:
    def configuration(resources: dict[str, Any]) -> str:
        group = resources["DigitsFunctionDeploymentGroup"]["Properties"]
        return json.dumps(group["DeploymentConfigName"])

    assert "Canary10Percent10Minutes" in configuration(translate(template))
    chosen = translate(template, DigitsRollout="Linear10PercentEvery1Minute")
    assert "Linear10PercentEvery1Minute" in configuration(chosen)


def test_the_hook_asks_the_new_version(template: str) -> None:
    resources = translate(template)
    version = next(name for name in resources if name.startswith("DigitsFunctionVersion"))
    hook = resources["DigitsHook"]["Properties"]
    assert hook["Environment"]["Variables"] == {"LITESHIP_HOOK_TARGET": {"Ref": version}}
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/getting-started-create-service-role.html:
    # the role that SAM makes may invoke functions named so
    assert hook["FunctionName"]["Fn::Sub"].startswith("CodeDeployHook_")
    module, _, name = hook["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_alarms_look_at_the_new_version(template: str) -> None:
    resources = translate(template)
    version = next(name for name in resources if name.startswith("DigitsFunctionVersion"))
    number = {"Fn::GetAtt": [version, "Version"]}
    alarms = [each for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 3
    for alarm in alarms:
        properties = alarm["Properties"]
        metrics = [
            each["MetricStat"]["Metric"]
            for each in properties.get("Metrics", [])
            if "MetricStat" in each
        ]
        for metric in metrics or [properties]:
            values = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            key = {"AWS/Lambda": "ExecutedVersion", "liteship": "function_version"}
            assert values[key[metric["Namespace"]]] == number


def test_a_new_layer_is_a_new_version(template: str) -> None:
    def versions(resources: dict[str, Any]) -> set[str]:
        return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}

    layer = "ContentUri: layers/"
    assert template.count(layer) == 2
    other = template.replace(layer, "ContentUri: s3://packages/another.zip")
    changed = versions(translate(template)) - versions(translate(other))
    assert [name.partition("Version")[0] for name in changed] == ["WineFunction"]


def test_the_http_api_answers_every_path(template: str) -> None:
    (path,) = translate(template)["DigitsApi"]["Properties"]["Body"]["paths"]
    assert path == "$default"


def test_every_log_group_forgets(template: str, variants: str) -> None:
    resources = translate(template) | translate(variants)
    functions = [each for each in resources.values() if each["Type"] == "AWS::Lambda::Function"]
    groups = {each["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for each in functions}
    assert len(groups) == len(functions)
    assert all(resources[group]["Properties"]["RetentionInDays"] > 0 for group in groups)
