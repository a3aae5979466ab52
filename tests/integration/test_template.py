"""template.yaml in the eyes of SAM's own tool: valid, and translated to what was meant."""

from __future__ import annotations

import graphlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
        properties[key] = "s3://packages/package.zip"
print(json.dumps(transform(template, {}, NoManagedPolicies())))
"""


def translate(template: str) -> dict[str, Any]:
    """The CloudFormation resources that SAM makes of the template, by logical id."""
    done = subprocess.run(
        [SAM.with_name("python"), "-c", TRANSLATE],
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


def test_the_bucket_comes_after_the_function_that_it_notifies(template: str) -> None:
    created = order(translate(template))
    assert created.index("DigitsFunctionRole") < created.index("DigitsFunction")
    assert created.index("DigitsFunction") < created.index("DigitsBucket")


def test_a_reference_to_the_bucket_would_close_a_circle(template: str) -> None:
    name = "${AWS::StackName}-${AWS::AccountId}-${AWS::Region}/incoming/*"
    circular = template.replace(name, "${DigitsBucket}/incoming/*")
    assert circular != template
    with pytest.raises(graphlib.CycleError):
        order(translate(circular))


def test_only_its_own_bucket_may_invoke_the_function(template: str) -> None:
    permissions = [
        resource["Properties"]
        for resource in translate(template).values()
        if resource["Type"] == "AWS::Lambda::Permission"
        and resource["Properties"]["Principal"] == "s3.amazonaws.com"
    ]
    assert [each["SourceAccount"] for each in permissions] == [{"Ref": "AWS::AccountId"}]


def test_no_role_may_do_everything(template: str) -> None:
    roles = [
        resource["Properties"]
        for resource in translate(template).values()
        if resource["Type"] == "AWS::IAM::Role"
    ]
    assert len(roles) == 2
    for role in roles:
        assert [str(arn).rpartition("/")[2] for arn in role["ManagedPolicyArns"]] == [
            "AWSLambdaBasicExecutionRole"
        ]
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert "*" not in statement["Action"]
                assert statement["Resource"] != "*"
