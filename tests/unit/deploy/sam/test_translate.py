"""template.yaml through AWS's own transform, and where code lies before and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from liteship.deploy.sam.template import render
from liteship.deploy.sam.translate import (
    NOT_BUILT_IMAGE,
    NOT_BUILT_ZIP,
    base_id,
    code_locations,
    parse_template,
    read_template,
    translate,
)
from liteship.errors import ConfigurationError

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return parse_template(render(ROOT)[ROOT / "template.yaml"])


def test_every_serverless_resource_becomes_plain_ones(template: dict[str, Any]) -> None:
    resources = translate(template, parameters={})["Resources"]
    assert not [each for each in resources.values() if "Serverless" in each["Type"]]
    assert {"AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::CodeDeploy::DeploymentGroup"} <= {
        each["Type"] for each in resources.values()
    }
    assert template["Transform"], "the template that was given is left as it was"


def test_parameters_reach_the_rollout(template: dict[str, Any]) -> None:
    for rollout in ("AllAtOnce", "Linear10PercentEvery1Minute"):
        resources = translate(template, parameters={"DigitsRollout": rollout})["Resources"]
        assert rollout in str(resources["DigitsFunctionDeploymentGroup"])


def test_code_that_is_given_is_found_again(template: dict[str, Any]) -> None:
    given = {
        "DigitsFunction": "1.dkr.ecr.eu-central-1.amazonaws.com/digits:digitsfunction-0123-v1",
        "WineFunction": "s3://bucket/wine",
        "LitertLayer": "s3://bucket/prefix/litert",
    }
    found = code_locations(translate(template, parameters={}, code=given))
    assert {name: found[name] for name in given} == given
    assert found["WebLayer"] == NOT_BUILT_ZIP


def test_code_that_is_not_uploaded_gets_a_placeholder(template: dict[str, Any]) -> None:
    found = code_locations(translate(template, parameters={}))
    assert found["DigitsFunction"] == NOT_BUILT_IMAGE
    assert found["WineFunction"].startswith("s3://")


def test_code_of_the_other_kind_is_not_taken(template: dict[str, Any]) -> None:
    """A function that becomes a zip file has nothing of its image, and the other way round."""
    given = {"DigitsFunction": "s3://bucket/digits", "WineFunction": "1.ecr/wine:v1"}
    found = code_locations(translate(template, parameters={}, code=given))
    assert found["DigitsFunction"] == NOT_BUILT_IMAGE
    assert found["WineFunction"] == NOT_BUILT_ZIP


def test_what_sam_has_uploaded_is_kept() -> None:
    """As the template that `sam deploy` hands to CloudFormation names code."""
    text = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: { Bucket: b, Key: k }, Handler: app.handler, Runtime: python3.13 }
  Other:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: s3://b/other, Handler: app.handler, Runtime: python3.13 }
"""
    template = parse_template(text)
    assert code_locations(template) == {"Api": "s3://b/k", "Other": "s3://b/other"}
    translated = code_locations(translate(template, parameters={}))
    assert translated == {"Api": "s3://b/k", "Other": "s3://b/other"}


def test_versions_and_layers_are_known_without_their_digest() -> None:
    assert base_id("DigitsFunctionVersion4f80d79478", "AWS::Lambda::Version") == "DigitsFunctionVersion"
    assert base_id("LitertLayerec6afcf1f5", "AWS::Lambda::LayerVersion") == "LitertLayer"
    assert base_id("Bucket0123456789", "AWS::S3::Bucket") == "Bucket0123456789"


def test_every_problem_of_a_template_is_told_at_once() -> None:
    text = """
Transform: AWS::Serverless-2016-10-31
Resources:
  First:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: first/, Handler: app.handler, Runtime: python3.13, Colour: red }
  Second:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: second/
      Handler: app.handler
      Runtime: python3.13
      Events: { Upload: { Type: S3, Properties: { Bucket: !Ref Missing, Events: s3:ObjectCreated:* } } }
"""
    with pytest.raises(ConfigurationError) as raised:
        translate(parse_template(text), parameters={})
    assert raised.value.reference == "template-invalid"
    problems = "\n".join(raised.value.problems)
    assert "First" in problems
    assert "Colour" in problems
    assert "Second" in problems


@pytest.mark.parametrize("text", ["Resources: [", "just words", "Parameters: {}", "Resources: 5"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_template(text)
    assert raised.value.reference == "template-unreadable"


def test_a_missing_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"template\.yaml"):
        read_template(tmp_path / "template.yaml")
