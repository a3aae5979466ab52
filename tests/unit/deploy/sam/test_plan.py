"""What a plan says beside the changes: parameters, rollout, sizes, cost, losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from liteship.config import Rollout
from liteship.deploy.measuring.prices import monthly_cost
from liteship.deploy.sam.deployed import Deployed
from liteship.deploy.sam.plan import (
    Plan,
    Situation,
    make_plan,
    parameter_values,
    parse_rollout,
    require_no_loss,
)
from liteship.deploy.sam.template import render
from liteship.deploy.sam.translate import code_locations, parse_template, translate
from liteship.errors import ConfigurationError, DeploymentError
from liteship.packaging.quotas import LimitCheck
from liteship.project import load_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Make = Callable[..., Plan]

ROOT = Path(__file__).parents[4]
OLD_CODE = {
    "DigitsFunction": "1.dkr.ecr.eu-central-1.amazonaws.com/digits:digitsfunction-aaaaaaaaaaaa-v1",
    "ShapesFunction": "1.dkr.ecr.eu-central-1.amazonaws.com/shapes:shapesfunction-aaaaaaaaaaaa-v1",
    **{
        name: f"s3://bucket/{name}"
        for name in (
            "DigitsHook",
            "ShapesHook",
            "WineFunction",
            "WineHook",
            "LitertLayer",
            "WebLayer",
        )
    },
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return parse_template(render(ROOT)[ROOT / "template.yaml"])


def check(name: str, value: int | str, unit: str) -> LimitCheck:
    return LimitCheck(name=name, value=value, limit=10**9, unit=unit, ok=True, hint="")


@pytest.fixture
def make(template: dict[str, Any]) -> Make:
    """Plans digits, against what stands (its template) if that is given."""
    functions = load_functions(ROOT)
    config = next(each.config for each in functions if each.config.name == "digits")

    def plan(
        standing: dict[str, Any] | None = None,
        *,
        code: Mapping[str, str] | None = None,
        typical: int | str = 40,
        region: str | None = "us-east-1",
        rollout: Rollout | None = None,
    ) -> Plan:
        deployed = None
        if standing is not None:
            translated = translate(standing, parameters={}, code=OLD_CODE)
            deployed = Deployed(
                template=translated,
                parameters=parameter_values(standing, config),
                code=code_locations(translated),
            )
        checks = [check("unzipped", 5000, "bytes"), check("s3-event", 5, "bytes")]
        situation = Situation(
            functions=functions,
            config=config,
            template=template,
            parameters=parameter_values(template, config, rollout=rollout),
            checks={each.config.name: [*checks, check("typical", typical, "ms")] for each in functions},
            requests=1000,
            stack="liteship",
            region=region,
            looked=True,
            status="CREATE_COMPLETE" if deployed else "",
            deployed=deployed,
        )
        return make_plan(situation, code or {})

    return plan


@pytest.mark.parametrize("rollout", get_args(Rollout))
def test_every_rollout_is_read_in_both_forms(rollout: Rollout) -> None:
    assert parse_rollout(rollout) == rollout
    assert parse_rollout(rollout.removeprefix("canary ")) == rollout


@pytest.mark.parametrize("text", ["", "10%", "10%/7m", "20%/10m", "canary", "Canary10Percent5Minutes"])
def test_another_rollout_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_rollout(text)
    assert raised.value.reference == "rollout-invalid"
    assert "10%/5m" in str(raised.value.expected)


def test_every_parameter_has_a_value(template: dict[str, Any]) -> None:
    config = load_functions(ROOT)[0].config
    assert config.name == "digits"
    values = parameter_values(template, config, rollout="linear 10%/1m", base_image="mine:1")
    assert values.keys() == template["Parameters"].keys()
    assert values["BaseImage"] == "mine:1"
    assert values["DigitsRollout"] == "Linear10PercentEvery1Minute"
    assert values["WineRollout"] == template["Parameters"]["WineRollout"]["Default"]


def test_a_first_deployment_has_no_rollout(make: Make) -> None:
    plan = make()
    assert {each.action for each in plan.changes} == {"created"}
    assert plan.rollout.startswith("all at once")
    assert plan.functions == ("digits", "shapes", "wine")
    assert not plan.undecided


def test_code_that_is_not_built_yet_is_named(make: Make, template: dict[str, Any]) -> None:
    plan = make(template)
    assert {each.action for each in plan.changes} == {"unchanged"}
    assert plan.undecided == tuple(sorted(OLD_CODE))
    assert plan.rollout.endswith("if the code that is built differs from the deployed")


def test_code_that_is_the_same_is_no_new_version(make: Make, template: dict[str, Any]) -> None:
    plan = make(template, code=OLD_CODE)
    assert {each.action for each in plan.changes} == {"unchanged"}
    assert not plan.undecided
    assert plan.rollout == "none: no new version"


def test_other_code_is_rolled_out_as_asked(make: Make, template: dict[str, Any]) -> None:
    other = OLD_CODE["DigitsFunction"].replace("a" * 12, "b" * 12)
    plan = make(template, code={**OLD_CODE, "DigitsFunction": other}, rollout="canary 10%/5m")
    actions = {each.logical_id: each.action for each in plan.changes}
    assert actions["DigitsFunctionVersion"] == "published"
    assert plan.rollout == "canary 10%/5m"


def test_the_cost_is_that_of_usual_requests_and_alarms(make: Make, template: dict[str, Any]) -> None:
    plan = make(typical=40)
    config = load_functions(ROOT)[0].config
    alarms = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert alarms
    alarm_metrics = sum(
        sum("MetricStat" in each for each in alarm.get("Metrics", [{"MetricStat": alarm}]))
        for alarm in alarms
    )
    assert plan.cost is not None
    assert plan.cost.monthly == monthly_cost(
        1000,
        memory_mib=config.runtime.memory_mib,
        billed_ms=40,
        architecture=config.runtime.architecture,
        http="http-api",
        region="us-east-1",
        alarm_metrics=alarm_metrics,
    )
    twice = make(typical=80).cost
    assert twice is not None
    assert twice.monthly.duration_usd == pytest.approx(2 * plan.cost.monthly.duration_usd)


def test_a_region_without_prices_takes_anothers_and_says_so(make: Make) -> None:
    cost = make(region="eu-central-1").cost
    assert cost is not None
    assert cost.region == "eu-west-1"


def test_without_a_measurement_there_is_no_cost(make: Make) -> None:
    assert make(typical="not measured").cost is None


def test_the_plan_as_json_holds_all_of_it(make: Make, template: dict[str, Any]) -> None:
    fields = json.loads(json.dumps(make(template).fields()))
    assert fields["sizes_bytes"]["digits"] == {"unzipped": 5000}
    assert fields["cost"]["monthly"]["total_usd"] > 0
    assert {each["action"] for each in fields["changes"]} == {"unchanged"}
    assert fields["losses"] == []


def test_a_loss_is_refused_unless_it_is_allowed(make: Make, template: dict[str, Any]) -> None:
    standing = json.loads(json.dumps(template))
    standing["Resources"]["DigitsBucket"]["Properties"]["BucketName"] = "an-earlier-name"
    plan = make(standing)
    (loss,) = plan.losses
    assert loss.startswith("DigitsBucket (AWS::S3::Bucket) is replaced")
    require_no_loss(plan, allowed=True)
    with pytest.raises(DeploymentError) as raised:
        require_no_loss(plan, allowed=False)
    assert raised.value.reference == "replacement-not-allowed"
    assert raised.value.problems == (loss,)
