"""`liteship versions|traffic|promote|rollback --on knative`, against a stand-in with real processes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.command_line import command_lines, refusals
from tests.integration.kubernetes.conftest import CRASHING_IMAGE, IMAGE, IMAGE_V2
from tests.integration.kubernetes.versions import ROOT, Digits

from liteship.deploy.kubernetes.api.cluster import KNATIVE_SERVICE, Cluster
from liteship.deploy.kubernetes.traffic import routing
from liteship.deploy.kubernetes.traffic.figures import Increases
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Refused, Run
    from tests.kubernetes_stand_in import StandIn

    from liteship.deploy.kubernetes.traffic.routing import Routing

ON = ("--on", "knative")


@pytest.fixture
def digits(cluster: StandIn) -> Iterator[Digits]:
    with Cluster() as api:
        yield Digits(cluster, api)


@pytest.fixture
def liteship(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    yield from command_lines(ROOT, monkeypatch, capsys)


@pytest.fixture
def refused(liteship: Run) -> Refused:
    return refusals(liteship)


def test_a_tenth_of_a_thousand_requests(digits: Digits, liteship: Run, digit_png: bytes) -> None:
    old, new = digits.deploy("1", IMAGE), digits.deploy("2", IMAGE_V2)
    counts = {old: Increases(), new: Increases()}
    assert digits.counted(counts) == {old: 0, new: 0}
    change = liteship("traffic", "digits", "v2=10", "v1=90", *ON, "--json").json
    assert change["before"] == {old: 100}
    assert change["after"] == {new: 10, old: 90}
    assert set(digits.send(1000, digit_png)) == {200}
    assert digits.counted(counts) == {old: 900, new: 100}
    # the manifest applied once more leaves the division alone
    digits.deploy("2", IMAGE_V2, pin=False)
    assert digits.percents() == {"1": 90, "2": 10}


def test_versions_rest_promote_and_rollback(digits: Digits, liteship: Run) -> None:
    one, two = digits.deploy("1", IMAGE), digits.deploy("2", IMAGE_V2)
    three = digits.deploy("3", IMAGE)
    found = liteship("versions", "digits", *ON, "--json").json
    assert (found["service"], found["namespace"], found["context"]) == ("digits", "default", "stand-in")
    assert [(each["name"], each["version"], each["percent"]) for each in found["versions"]] == [
        (three, "3", 0),
        (two, "2", 0),
        (one, "1", 100),
    ]
    assert found["versions"][2]["image"] == IMAGE
    assert [each["ready"] for each in found["versions"]] == [True] * 3

    # the rest stays where it is, and each version with traffic has its own URL
    assert "v1 100 % → v3 10 %, v1 90 %" in liteship("traffic", "digits", "3=10", *ON).output
    versions = liteship("versions", "digits", *ON, "--json", "--newest", "1").json["versions"]
    assert [(each["tag"], each["url"]) for each in versions] == [
        ("v3", "http://v3-digits.default.example.com"),
        ("v1", "http://v1-digits.default.example.com"),
    ]
    table = liteship("versions", "digits", *ON).output
    assert "10 %" in table
    assert "v3: http://v3-digits.default.example.com\n" in table

    # all to the newest, and later ones follow
    output = liteship("promote", "digits", *ON).output
    assert "→ v3 100 %; later versions follow by themselves" in output
    assert digits.asked() == [{"latestRevision": True, "percent": 100}]
    assert "as it was" in liteship("promote", "digits", "v3", *ON).output

    # back to the one before, by name, and again
    assert liteship("rollback", "digits", *ON, "--json").json["after"] == {two: 100}
    assert digits.asked() == [
        {"latestRevision": False, "revisionName": two, "percent": 100, "tag": "v2"}
    ]
    liteship("rollback", "digits", *ON)
    assert digits.percents() == {"1": 100}
    liteship("rollback", "digits", "--to", "v3", *ON)
    assert digits.percents() == {"3": 100}
    assert not liteship("promote", "digits", one, *ON, "--json").json["follows_latest"]
    assert digits.percents() == {"1": 100}

    # only what has traffic, and the newest, keeps its tag
    service = digits.api.get(KNATIVE_SERVICE, "digits")
    assert service is not None
    assert {each["tag"] for each in service["spec"]["traffic"]} == {"v1", "v3"}


@pytest.mark.parametrize(
    "words",
    [
        ["versions", "digits"],
        ["traffic", "digits", "v1=10"],
        ["promote", "digits"],
        ["rollback", "digits"],
        ["canary", "digits", "v1"],
        ["logs", "digits"],
    ],
)
def test_a_namespace_that_is_not_there_is_told_as_such(
    digits: Digits, refused: Refused, words: list[str]
) -> None:
    assert refused(*words, *ON, "--namespace", "nowhere")["reference"] == "namespace-missing"
    for name in ("Bad_Name", ""):
        assert refused(*words, *ON, "--namespace", name)["reference"] == "namespace-invalid"


def test_the_table_is_narrow_and_reasons_stand_below(
    digits: Digits, liteship: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    revision = digits.deploy("1", IMAGE)
    digits.deploy("2", CRASHING_IMAGE, ready=False)
    digits.wait_until(lambda: "ExitCode1" in liteship("versions", "digits", *ON).output)
    output = liteship("versions", "digits", *ON).output
    table = [line for line in output.splitlines() if line.startswith("│")]
    assert len(table) == 2  # each Revision's name in one piece
    assert revision in table[1]
    assert " is not ready: ExitCode1" in output


def test_what_cannot_be_done_is_refused(digits: Digits, refused: Refused, liteship: Run) -> None:
    assert refused("versions", "digits", *ON)["reference"] == "function-not-deployed"
    digits.deploy("1", IMAGE)
    fields = refused("rollback", "digits", *ON)
    assert fields["reference"] == "nothing-to-roll-back"
    digits.deploy("2", CRASHING_IMAGE, ready=False)
    digits.wait_until(lambda: "ExitCode1" in liteship("versions", "digits", *ON, "--json").output)
    fields = refused("traffic", "digits", "2=10", *ON)
    assert fields["reference"] == "version-not-ready"
    assert "ExitCode1" in fields["received"]
    assert refused("promote", "digits", "v2", *ON)["reference"] == "version-not-ready"
    fields = refused("traffic", "digits", "v7=10", *ON)
    assert (fields["reference"], fields["expected"]) == ("version-missing", "one of v2, v1")
    for words in (["v1=12.5"], ["v1=10"], ["v1=60", "v2=60"], ["1=50", "v1=50"]):
        assert refused("traffic", "digits", *words, *ON)["reference"] == "traffic-invalid"
    # nothing of that changed anything: the one that works is promoted by default
    assert liteship("promote", "digits", *ON, "--json").json["after"].keys() == {
        each["name"]
        for each in liteship("versions", "digits", *ON, "--json").json["versions"]
        if each["version"] == "1"
    }


def test_the_other_platforms_options_are_refused(refused: Refused) -> None:
    for command in (["versions"], ["traffic", "v1=10"], ["promote"], ["rollback"]):
        words = [command[0], "digits", *command[1:]]
        assert "--stage" in refused(*words, *ON, "--stage", "prod")["error"]
        assert "--namespace" in refused(*words, "-n", "prod")["error"]
        fields = refused(*words, "--on", "kubernetes")
        assert fields["reference"] == "revisions-missing"
        assert "--to knative" in fields["hint"]


def test_a_change_in_between_is_not_overwritten(digits: Digits) -> None:
    """The status changes all the time: only another division counts as a change."""
    one, two = digits.deploy("1", IMAGE), digits.deploy("2", IMAGE_V2)
    before = routing.read_routing(digits.api, "digits")
    assert routing.write_routing(digits.api, "digits", {one: 50, two: 50}, before=before).percents == {
        one: 50,
        two: 50,
    }
    with pytest.raises(DeploymentError) as raised:
        routing.write_routing(digits.api, "digits", {two: 100}, before=before)
    assert raised.value.reference == "traffic-changed"
    assert digits.percents() == {"1": 50, "2": 50}
    # the same, asked for twice, is no conflict: an answer may have been lost
    routing.write_routing(digits.api, "digits", {one: 50, two: 50}, before=before)


def test_of_two_at_once_one_wins(digits: Digits) -> None:
    one, two = digits.deploy("1", IMAGE), digits.deploy("2", IMAGE_V2)
    for before, after in ((100, (80, 60)), (None, (40, 20)), (None, (90, 10))):
        routed = routing.read_routing(digits.api, "digits")
        assert before is None or routed.percents == {one: before}
        together = threading.Barrier(2)

        def write(percent: int, routed: Routing = routed, together: Any = together) -> str:
            with Cluster() as api:
                together.wait()
                shares = {one: percent, two: 100 - percent}
                try:
                    routing.write_routing(api, "digits", shares, before=routed)
                except DeploymentError as error:
                    return error.reference
            return "written"

        with ThreadPoolExecutor(2) as pool:
            ended = dict(zip(after, pool.map(write, after), strict=True))
        assert sorted(ended.values()) == ["traffic-changed", "written"]
        (won,) = [percent for percent, how in ended.items() if how == "written"]
        assert digits.percents() == {"1": won, "2": 100 - won}


def test_a_new_version_can_wait_without_traffic(digits: Digits) -> None:
    one = digits.deploy("1", IMAGE)
    assert routing.read_routing(digits.api, "digits").follows_latest
    digits.deploy("2", IMAGE_V2)  # which pins the traffic first
    assert digits.percents() == {"1": 100}
    routing.tag_newest(digits.api, "digits")
    service = digits.api.get(KNATIVE_SERVICE, "digits")
    assert service is not None
    tags = {each["tag"]: each.get("percent") for each in service["status"]["traffic"] if "tag" in each}
    assert tags == {"v1": 100, "v2": 0}
    managers = {each["manager"] for each in service["metadata"]["managedFields"]}
    assert routing.MANAGER in managers
    assert routing.read_routing(digits.api, "digits").percents == {one: 100}


def test_a_route_that_fails_says_why(digits: Digits) -> None:
    digits.deploy("1", IMAGE)
    with pytest.raises(DeploymentError) as raised:
        routing.write_routing(digits.api, "digits", {"digits-v9-gone": 100})
    assert raised.value.reference == "traffic-not-routed"
    assert "RevisionMissing" in (raised.value.received or "")


def test_no_right_to_change_names_verb_and_resource(digits: Digits, refused: Refused) -> None:
    digits.deploy("1", IMAGE)
    digits.deploy("2", IMAGE_V2)
    digits.stand_in.faults.forbid("patch", "services.serving.knative.dev")
    fields = refused("traffic", "digits", "v2=10", *ON)
    assert fields["reference"] == "cluster-forbidden"
    assert "patch services.serving.knative.dev" in fields["error"]
    assert digits.percents() == {"1": 100}


def test_a_cluster_without_knative_says_which_api_is_missing(digits: Digits, refused: Refused) -> None:
    digits.stand_in.faults.no_knative = True
    for command in (["versions", "digits"], ["promote", "digits"], ["canary", "digits", "v2"]):
        fields = refused(*command, *ON)
        assert fields["reference"] == "api-missing"
        assert "serving.knative.dev/v1" in fields["error"]
        assert "--to kubernetes" in fields["hint"]
