"""`liteship versions`, `traffic` and `rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import lambda_simple_backends

if TYPE_CHECKING:
    from tests.command_line import Refused, Result, Run
    from tests.integration.operations.conftest import Cloud


pytestmark = pytest.mark.usefixtures("revisions")


def numbers(result: Result) -> dict[str, float]:
    return {each["number"]: each["percent"] for each in result.json["versions"]}


def test_versions_are_listed_newest_first_with_their_traffic(cloud: Cloud, liteship: Run) -> None:
    function = cloud.deploy(versions=3, live="2")
    found = liteship("versions", "digits", "--json").json
    assert (found["function"], found["stack"], found["region"]) == (
        function,
        "liteship",
        "eu-central-1",
    )
    assert [(each["number"], each["percent"]) for each in found["versions"]] == [
        ("3", 0.0),
        ("2", 100.0),
        ("1", 0.0),
    ]
    assert [each["description"] for each in found["versions"]] == ["number 3", "number 2", ""]
    assert len({each["code"] for each in found["versions"]}) == 3
    for each in found["versions"]:
        published = cloud.lambda_.get_function(FunctionName=function, Qualifier=each["number"])
        assert each["code"] == published["Configuration"]["CodeSha256"]
        assert each["memory_mib"] == published["Configuration"]["MemorySize"]
        assert each["published"] == published["Configuration"]["LastModified"]


def test_versions_for_people_name_the_live_one(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=2, live="2")
    output = liteship("versions", "digits").output
    (live,) = [line for line in output.splitlines() if "100 %" in line]
    assert "number 2" in live


def test_an_image_is_named_by_its_digest(cloud: Cloud, liteship: Run) -> None:
    function = cloud.deploy()
    repository = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits"
    stored = lambda_simple_backends["123456789012"]["eu-central-1"].get_function(function, "1")
    stored.package_type = "Image"
    stored.code = {"ImageUri": f"{repository}:v1"}
    stored.code_sha_256 = "7" * 64
    (version,) = liteship("versions", "digits", "--json").json["versions"]
    assert version["code"] == f"{repository}@sha256:{'7' * 64}"
    assert "7" * 12 in liteship("versions", "digits").output


def test_older_versions_are_left_out_unless_they_have_traffic(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=5, live="1")
    assert numbers(liteship("versions", "digits", "--newest", "2", "--json")) == {
        "5": 0.0,
        "4": 0.0,
        "1": 100.0,
    }


def test_many_versions_come_in_numeric_order(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=11)
    found = list(numbers(liteship("versions", "digits", "--newest", "11", "--json")))
    assert found == [str(number) for number in range(11, 0, -1)]


def test_a_stage_is_a_stack_of_its_own(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=2, live="1")
    cloud.deploy("liteship-prod", versions=2, live="1")
    liteship("traffic", "digits", "2=100", "--stage", "prod")
    assert cloud.percents() == {"1": 100.0}
    assert cloud.percents("liteship-prod") == {"2": 100.0}


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (["2=10"], {"1": 90.0, "2": 10.0}),
        (["2=10%"], {"1": 90.0, "2": 10.0}),
        (["2=0.5"], {"1": 99.5, "2": 0.5}),
        (["2=100"], {"2": 100.0}),
        (["1=30", "2=70"], {"1": 30.0, "2": 70.0}),
        (["2=60", "3=40"], {"2": 60.0, "3": 40.0}),
        (["1=0", "3=100"], {"3": 100.0}),
        (["1=100"], {"1": 100.0}),
    ],
)
def test_traffic_is_divided_as_asked(
    cloud: Cloud, liteship: Run, words: list[str], after: dict[str, float]
) -> None:
    cloud.deploy(versions=3)
    change = liteship("traffic", "digits", *words, "--json").json
    assert change["before"] == {"1": 100.0}
    assert change["after"] == after
    assert cloud.percents() == pytest.approx(after)


def test_a_canary_from_a_tenth_to_all(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=2)
    for percent in ("10", "50", "100"):
        assert liteship("traffic", "digits", f"2={percent}").code == 0
    assert cloud.percents() == {"2": 100.0}


def test_traffic_tells_before_and_after(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=2)
    said = liteship("traffic", "digits", "2=10").output
    assert said == "digits: version 1 100 % → version 1 90 %, version 2 10 %\n"
    assert liteship("traffic", "digits", "2=10").output.endswith("version 2 10 %, as it was\n")


@pytest.mark.parametrize(
    "words",
    [
        ["2=110"],
        ["2=-1"],
        ["2=nan"],
        ["2"],
        ["2=ten"],
        ["two=10"],
        ["$LATEST=10"],
        ["2=10", "2=20"],
        ["1=50", "2=40"],
        ["1=50", "2=60"],
        ["1=40", "2=30", "3=30"],
        ["1=10"],  # the rest has nowhere to stay
    ],
)
def test_a_division_that_cannot_be_is_refused(cloud: Cloud, refused: Refused, words: list[str]) -> None:
    cloud.deploy(versions=3)
    assert refused("traffic", "digits", "--", *words)["reference"] == "traffic-invalid"
    assert cloud.percents() == {"1": 100.0}


@pytest.mark.parametrize(
    "command", [["traffic", "digits", "9=10"], ["rollback", "digits", "--to", "9"]]
)
def test_a_version_that_is_not_published_is_refused(
    cloud: Cloud, refused: Refused, command: list[str]
) -> None:
    cloud.deploy(versions=2)
    error = refused(*command)
    assert error["reference"] == "version-missing"
    assert "2, 1" in error["expected"]
    assert cloud.percents() == {"1": 100.0}


@pytest.mark.parametrize("command", [["traffic", "digits", "1=10"], ["rollback", "digits"]])
def test_two_people_cannot_overwrite_each_other(
    cloud: Cloud, refused: Refused, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.deploy(versions=3, live="2")
    read = LambdaResponse.get_alias

    def read_then_changed_by_another(self: Any) -> Any:
        answer = read(self)
        alias = lambda_simple_backends["123456789012"]["eu-central-1"].get_alias("live", name)
        alias.revision_id, alias.function_version = "another", "3"
        return answer

    name = cloud.physical("DigitsFunction")
    with monkeypatch.context() as patch:
        patch.setattr(LambdaResponse, "get_alias", read_then_changed_by_another)
        error = refused(*command)
    assert error["reference"] == "alias-changed"
    assert "liteship versions digits" in error["hint"]
    assert cloud.percents() == {"3": 100.0}


def test_rollback_goes_to_the_version_before(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=3, live="3")
    change = liteship("rollback", "digits", "--json").json
    assert (change["before"], change["after"], change["stopped"]) == ({"3": 100}, {"2": 100}, None)
    said = liteship("rollback", "digits").output
    assert said == "digits: version 2 100 % → version 1 100 %\n"
    assert cloud.percents() == {"1": 100.0}


def test_rollback_skips_numbers_that_are_gone(cloud: Cloud, liteship: Run) -> None:
    function = cloud.deploy(versions=4, live="4")
    cloud.lambda_.delete_function(FunctionName=function, Qualifier="3")
    assert liteship("rollback", "digits", "--json").json["after"] == {"2": 100.0}


def test_rollback_from_code_that_is_not_published(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=2, live="$LATEST")
    assert liteship("rollback", "digits", "--json").json["after"] == {"2": 100.0}


def test_rollback_of_a_canary_takes_the_traffic_from_it(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=3, live="2")
    liteship("traffic", "digits", "3=10")
    assert liteship("rollback", "digits", "--json").json["after"] == {"2": 100.0}
    assert cloud.percents() == {"2": 100.0}


def test_rollback_to_a_version_can_be_repeated(cloud: Cloud, liteship: Run) -> None:
    cloud.deploy(versions=3, live="3")
    for _ in range(2):
        assert liteship("rollback", "digits", "--to", "1", "--json").json["after"] == {"1": 100.0}
        assert cloud.percents() == {"1": 100.0}


def test_rollback_to_what_is_not_a_number_is_refused(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy(versions=2)
    assert refused("rollback", "digits", "--to", "$LATEST")["reference"] == "traffic-invalid"


def test_there_is_nothing_before_the_first_version(cloud: Cloud, refused: Refused) -> None:
    cloud.deploy()
    error = refused("rollback", "digits")
    assert error["reference"] == "nothing-to-roll-back"
    assert error["received"] == "published: 1"


def test_rollback_stops_codedeploy_while_it_moves_the_traffic(
    cloud: Cloud, liteship: Run, codedeploy: list[dict[str, Any]]
) -> None:
    cloud.deploy(versions=2, live="1")
    cloud.set_state("UPDATE_IN_PROGRESS")  # CloudFormation waits for CodeDeploy
    (identifier,) = cloud.codedeploy.list_deployments()["deployments"]
    result = liteship("rollback", "digits")
    assert identifier in result.output
    assert codedeploy == [{"deploymentId": identifier, "autoRollbackEnabled": True}]
    cloud.set_state("UPDATE_ROLLBACK_COMPLETE")
    # Nothing moves any more: the next one is about versions again
    assert liteship("rollback", "digits", "--to", "2", "--json").json["after"] == {"2": 100.0}


@pytest.mark.parametrize(
    "command", [["traffic", "digits", "2=10"], ["rollback", "digits", "--to", "1"]]
)
@pytest.mark.usefixtures("codedeploy")
def test_nobody_interferes_with_codedeploy(cloud: Cloud, refused: Refused, command: list[str]) -> None:
    cloud.deploy(versions=2, live="2")
    error = refused(*command)
    assert error["reference"] == "rollout-running"
    assert "liteship rollback digits" in error["hint"]
    assert cloud.percents() == {"2": 100.0}


def test_a_function_without_the_alias(cloud: Cloud, refused: Refused) -> None:
    function = cloud.deploy(versions=2)
    cloud.lambda_.delete_alias(FunctionName=function, Name="live")
    for command in (["versions", "digits"], ["traffic", "digits", "2=1"], ["rollback", "digits"]):
        assert refused(*command)["reference"] == "alias-missing"
