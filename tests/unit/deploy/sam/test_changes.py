"""What CloudFormation would do, from two templates; and the table behind it, against the schemas."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship.deploy.sam.changes import Change, compare
from liteship.deploy.sam.intrinsics import with_names, with_parameters
from liteship.deploy.sam.replacement import CREATE_ONLY
from liteship.deploy.sam.template import render
from liteship.deploy.sam.translate import parse_template, translate

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[4]
REGION = "us-east-1"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return parse_template(render(ROOT)[ROOT / "template.yaml"])


def changes(
    old: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    old_parameters: dict[str, str] | None = None,
    new_parameters: dict[str, str] | None = None,
    old_code: dict[str, str] | None = None,
    new_code: dict[str, str] | None = None,
) -> dict[str, Change]:
    """By logical id, of two SAM templates."""
    before, after = old_parameters or {}, new_parameters or {}
    found = compare(
        translate(old, parameters=before, code=old_code) if old is not None else None,
        translate(new, parameters=after, code=new_code),
        old_parameters=before,
        new_parameters=after,
    )
    assert len({each.logical_id for each in found}) == len(found)
    return {each.logical_id: each for each in found}


def acted(found: dict[str, Change]) -> dict[str, str]:
    """The action on everything that does not stay as it is."""
    return {name: each.action for name, each in found.items() if each.action != "unchanged"}


@pytest.fixture
def edited(template: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The template with properties of one resource set."""

    def edit(logical_id: str, **properties: object) -> dict[str, Any]:
        new = copy.deepcopy(template)
        new["Resources"][logical_id]["Properties"].update(properties)
        return new

    return edit


def test_without_a_stack_everything_is_created(template: dict[str, Any]) -> None:
    found = changes(None, template)
    assert {each.action for each in found.values()} == {"created"}
    assert {"DigitsFunctionVersion", "LitertLayer"} <= found.keys(), "without digests"


def test_the_same_template_changes_nothing(template: dict[str, Any]) -> None:
    assert acted(changes(template, template)) == {}


def test_more_memory_publishes_a_version_and_what_follows_it(
    template: dict[str, Any], edited: Callable[..., dict[str, Any]]
) -> None:
    found = changes(template, edited("DigitsFunction", MemorySize=1024))
    assert found["DigitsFunction"].action == "updated"
    version = found["DigitsFunctionVersion"]
    assert version.action == "published"
    (because,) = version.differences
    assert because.property == "MemorySize"
    assert because.after == "1024"
    # The alias, the alarms on the new version and the hook that asks it refer to the version
    for follower in ("DigitsFunctionAliaslive", "DigitsErrorsAlarm", "DigitsHook"):
        assert found[follower].action == "updated", follower
    assert not [name for name in acted(found) if name.startswith("Wine")]


def test_other_code_publishes_a_version(template: dict[str, Any]) -> None:
    found = changes(
        template, template, old_code={"WineFunction": "s3://b/1"}, new_code={"WineFunction": "s3://b/2"}
    )
    assert acted(found)["WineFunctionVersion"] == "published"
    assert [each.property for each in found["WineFunctionVersion"].differences] == ["Code.S3Key"]


def test_another_layer_is_published_and_its_function_updated(template: dict[str, Any]) -> None:
    found = changes(
        template, template, old_code={"LitertLayer": "s3://b/1"}, new_code={"LitertLayer": "s3://b/2"}
    )
    assert found["LitertLayer"].action == "published"
    assert found["WineFunction"].action == "updated"
    assert [each.property for each in found["WineFunction"].differences] == ["Layers"]
    assert found["DigitsFunction"].action == "unchanged"


def test_a_rollout_asked_for_once_changes_the_deployment_group_alone(template: dict[str, Any]) -> None:
    found = changes(
        template,
        template,
        old_parameters={"DigitsRollout": "AllAtOnce"},
        new_parameters={"DigitsRollout": "Canary10Percent5Minutes"},
    )
    assert acted(found) == {"DigitsFunctionDeploymentGroup": "updated"}


def test_a_bucket_of_another_name_is_replaced_and_named_as_a_loss(
    template: dict[str, Any], edited: Callable[..., dict[str, Any]]
) -> None:
    found = changes(template, edited("DigitsBucket", BucketName="another"))
    assert found["DigitsBucket"].action == "replaced"
    assert "stays behind" in found["DigitsBucket"].loss
    assert next(iter(found)) == "DigitsBucket", "the gravest comes first"


def test_a_function_that_goes_takes_its_own_and_nobody_elses(template: dict[str, Any]) -> None:
    new = copy.deepcopy(template)
    for section in ("Resources", "Outputs"):
        new[section] = {
            name: each for name, each in new[section].items() if not name.startswith("Wine")
        }
    found = changes(template, new)
    gone = {name for name, action in acted(found).items() if action == "removed"}
    assert {"WineFunction", "WineFunctionUrl", "WineFunctionVersion", "WineLogs"} <= gone
    assert found["WineLogs"].loss
    assert not found["WineFunctionVersion"].loss, "versions are retained"
    assert not [name for name in gone if name.startswith("Digits")]


def test_what_is_retained_is_no_loss(template: dict[str, Any]) -> None:
    old = copy.deepcopy(template)
    old["Resources"]["DigitsBucket"]["DeletionPolicy"] = "Retain"
    new = copy.deepcopy(old)
    new["Resources"]["DigitsBucket"]["Properties"]["BucketName"] = "another"
    assert changes(old, new)["DigitsBucket"].loss == ""


def test_an_image_that_becomes_a_zip_replaces_the_function_and_all_that_name_it() -> None:
    def stack(package: dict[str, Any]) -> dict[str, Any]:
        function = {"Type": "AWS::Lambda::Function", "Properties": {"Role": "r", **package}}
        permission = {"FunctionName": {"Ref": "F"}, "Action": "a", "Principal": "p"}
        alarm = {"Dimensions": [{"Name": "FunctionName", "Value": {"Fn::Sub": "${F}:live"}}]}
        return {
            "Resources": {
                "F": function,
                "P": {"Type": "AWS::Lambda::Permission", "Properties": permission},
                "A": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm},
            }
        }

    old = stack({"PackageType": "Image", "Code": {"ImageUri": "i"}})
    new = stack({"Code": {"S3Bucket": "b", "S3Key": "k"}})
    found = {
        each.logical_id: each.action for each in compare(old, new, old_parameters={}, new_parameters={})
    }
    assert found == {"F": "replaced", "P": "replaced", "A": "updated"}


def test_both_ways_to_write_an_attribute_are_the_same() -> None:
    def stack(target: object) -> dict[str, Any]:
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": {"Fn::GetAtt": target}}}
        return {"Resources": {"Q": queue}}

    (change,) = compare(stack("D.Arn"), stack(["D", "Arn"]), old_parameters={}, new_parameters={})
    assert change.action == "unchanged"


def test_parameters_are_put_in_wherever_they_are_named() -> None:
    value = {
        "a": {"Ref": "P"},
        "b": {"Fn::Sub": "x-${P}-${Q.Arn}"},
        "c": [{"Fn::Sub": ["${P}${R}", {"R": {"Ref": "P"}}]}],
    }
    assert with_parameters(value, {"P": "1"}) == {
        "a": "1",
        "b": {"Fn::Sub": "x-1-${Q.Arn}"},
        "c": [{"Fn::Sub": ["1${R}", {"R": "1"}]}],
    }
    own = {"Fn::Sub": ["${P}", {"P": "mine"}]}
    assert with_parameters(own, {"P": "1"}) == own, "a name of its own hides the parameter"


def test_names_are_changed_wherever_they_are_referred_to() -> None:
    value = {"a": {"Ref": "F"}, "b": {"Fn::GetAtt": "F.Arn"}, "c": {"Fn::Sub": "${F.Arn}:${F}:${G}"}}
    assert with_names(value, {"F": "H"}) == {
        "a": {"Ref": "H"},
        "b": {"Fn::GetAtt": ["H", "Arn"]},
        "c": {"Fn::Sub": "${H.Arn}:${H}:${G}"},
    }


@pytest.mark.parametrize("resource_type", sorted(CREATE_ONLY))
def test_the_table_says_what_the_schemas_say(resource_type: str) -> None:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema
    pointers = [
        *schema.get("createOnlyProperties", []),
        *schema.get("conditionalCreateOnlyProperties", []),
    ]
    assert {each.removeprefix("/properties/") for each in pointers} == CREATE_ONLY[resource_type]


FULL = """
[lambda]
rollout = "canary 10%/5m"
provisioned_concurrency = 1
alarms = { p99_ms = 500, low_confidence_share = 0.5 }
"""


def test_the_table_holds_every_type_that_can_be_rendered(tmp_path: Path) -> None:
    """Both packages and fronts, both kinds of buckets, with and without a queue."""
    sections = ""
    for number, (package, http, s3) in enumerate(
        (
            ("image", "http-api", "{}"),
            ("zip", "function-url", "{ queue = true }"),
            ("image", "http-api", '{ bucket = "known-bucket" }'),
            ("image", "http-api", '{ bucket = "known-bucket", queue = true }'),
        )
    ):
        folder = tmp_path / "functions" / f"f{number}"
        folder.mkdir(parents=True)
        sections = FULL + f'package = "{package}"\nhttp = "{http}"\n[triggers]\ns3 = {s3}\n'
        text = (ROOT / "functions" / "wine" / "function.toml").read_text().partition("[lambda]")[0]
        (folder / "function.toml").write_text(text.replace('"wine"', f'"f{number}"') + sections)
    template = parse_template(render(tmp_path)[tmp_path / "template.yaml"])
    types = {each["Type"] for each in translate(template, parameters={})["Resources"].values()}
    assert types == CREATE_ONLY.keys(), "every type that is rendered, and no other"
