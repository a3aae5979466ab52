"""`liteship canary`, against a stand-in whose Pods are processes, under real load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.command_line import command_lines, refusals
from tests.integration.kubernetes.conftest import IMAGE, IMAGE_V2, copy_function
from tests.integration.kubernetes.versions import ROOT, Digits, Load
from tests.kubernetes_stand_in.kinds import REVISION as REVISION_KEY

from liteship.deploy.kubernetes.api.cluster import REVISION, Cluster
from liteship.deploy.kubernetes.traffic.routing import write_routing
from liteship.packaging.bundle import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import Refused, Run
    from tests.kubernetes_stand_in import StandIn


FAILING_IMAGE = f"registry.example.com/digits@sha256:{'f' * 64}"
ENDING_IMAGE = f"registry.example.com/digits@sha256:{'e' * 64}"
OLD_IMAGE = f"registry.example.com/digits@sha256:{'d' * 64}"

WITHOUT_METRICS = """
from functools import cached_property

from liteship import Function


class Application:
    def __init__(self, whole):
        self.whole = whole

    def __getattr__(self, name):
        return getattr(self.whole, name)

    async def __call__(self, scope, receive, send):
        if scope.get("path") != "/metrics":
            return await self.whole(scope, receive, send)
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"not here"})


class OldFunction(Function):
    @cached_property
    def asgi(self):
        return Application(Function.asgi.func(self))


handler = OldFunction(__file__)
"""

WATCH = ("canary", "digits", "v2", "--watch", "--min-requests", "10", "--max-p99-ms", "30000")
SHORT = (*WATCH, "--steps", "20,50,100", "--step-s", "0.5")
IDLE = ("canary", "digits", "v2", "--watch", "--steps", "20,100", "--step-s", "1")


@pytest.fixture(scope="module")
def bad_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Code that raises at each request, or ends the process, or has no metrics; all become ready."""
    hook = "from liteship import Function\n\nhandler = Function(__file__, postprocess=lambda _: {})\n"
    codes = {
        FAILING_IMAGE: hook.replace("{}", "1 / 0"),
        ENDING_IMAGE: hook.replace("{}", "__import__('os')._exit(3)"),
        OLD_IMAGE: WITHOUT_METRICS,
    }
    bundles = {}
    for image, code in codes.items():
        function = copy_function(tmp_path_factory.mktemp("bad") / "digits")
        (function / "app.py").write_text(code)
        bundles[image] = tmp_path_factory.mktemp("bundles") / "bad"
        bundle(function, bundles[image])
    return bundles


@pytest.fixture
def digits(cluster: StandIn, bad_bundles: dict[str, Path]) -> Iterator[Digits]:
    """Version 1 has all traffic."""
    cluster.bundles.update(bad_bundles)
    with Cluster() as api:
        digits = Digits(cluster, api)
        digits.deploy("1", IMAGE)
        yield digits


@pytest.fixture
def liteship(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    yield from command_lines(ROOT, monkeypatch, capsys)


@pytest.fixture
def refused(liteship: Run) -> Refused:
    return refusals(liteship)


def start(*arguments: str) -> subprocess.Popen[str]:
    """The same in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "liteship", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def share(digits: Digits) -> int:
    return digits.percents().get("2", 0)


def test_a_good_version_gets_all_traffic(digits: Digits, liteship: Run, digit_png: bytes) -> None:
    one = next(iter(digits.by_revision()))
    two = digits.deploy("2", IMAGE_V2)
    with Load(digits, digit_png) as load:
        result = liteship(*SHORT, "--json")
    assert result.code == 0, result.output + result.errors
    found = result.json
    assert (found["result"], found["reason"]) == ("promoted", "")
    assert (found["revision"], found["stable"]) == (two, one)
    assert (found["before"], found["after"]) == ({one: 100}, {two: 100})
    assert [step["percent"] for step in found["steps"]] == [20, 50]
    for step in found["steps"]:
        for version in ("new", "stable"):
            assert step[version]["requests"] >= 10
            assert step[version]["predictions"] >= 10
            assert step[version]["errors"] == 0
            assert step[version]["p99_ms"] > 0
        assert step["breaches"] == []
    assert digits.asked() == [{"latestRevision": True, "percent": 100}]
    assert set(load.statuses) == {200}


def test_a_version_that_gets_more_pods_goes_on(digits: Digits, liteship: Run, digit_png: bytes) -> None:
    two = digits.deploy("2", IMAGE_V2)
    faults = digits.stand_in.faults
    faults.no_minimum = True

    def scale(revision: dict[str, Any]) -> None:
        revision["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] = "3"

    def scale_once_watched() -> None:
        digits.wait_until(lambda: share(digits) == 20)
        faults.unschedulable = "0/1 nodes are available: 1 Insufficient cpu."
        digits.stand_in.store.edit(REVISION_KEY.key("default", two), scale)
        digits.wait_until(lambda: "MinimumReplicasUnavailable" in str(digits.api.get(REVISION, two)))
        time.sleep(2)  # a few looks
        faults.unschedulable = ""

    with Load(digits, digit_png), ThreadPoolExecutor(1) as thread:
        scaled = thread.submit(scale_once_watched)
        result = liteship(*WATCH, "--steps", "20,100", "--step-s", "4", "--json")
    scaled.result()
    assert result.json["result"] == "promoted", result.output


def test_a_version_that_answers_errors_is_taken_back(
    digits: Digits, liteship: Run, digit_png: bytes
) -> None:
    before = digits.by_revision()
    digits.deploy("2", FAILING_IMAGE)
    with Load(digits, digit_png) as load:
        result = liteship(*SHORT)
    assert result.code == 11
    assert "20 %" in result.output
    assert "errors 100 %, allowed 1 % (stable: 0 %)" in result.output
    assert "traffic: v1 100 %" in result.output
    assert digits.by_revision() == before
    # only its share was hit
    assert 500 in load.statuses
    assert load.statuses.count(500) <= 0.25 * len(load.statuses) + 1


def test_a_version_that_is_not_sure_is_taken_back(
    digits: Digits, liteship: Run, digit_png: bytes
) -> None:
    digits.deploy("2", IMAGE_V2, low_confidence=1.0)
    with Load(digits, digit_png):
        found = liteship(*SHORT, "--json")
        assert found.code == 11
        (step,) = found.json["steps"]
        (breach,) = step["breaches"]
        assert (breach["bound"], breach["measured"]) == ("low_confidence", 1.0)
        assert breach["allowed"] == pytest.approx(breach["stable"] + 0.1)
        assert share(digits) == 0
        # a bound of one's own takes the place of the stable version
        allowed = liteship(*SHORT, "--max-low-confidence", "100%", "--json")
    assert allowed.json["result"] == "promoted", allowed.output


def test_a_version_whose_process_ends_is_taken_back(
    digits: Digits, liteship: Run, digit_png: bytes
) -> None:
    """What it would have counted is lost with it: no figure tells."""
    digits.deploy("2", ENDING_IMAGE)
    with Load(digits, digit_png):
        found = liteship(*SHORT, "--json").json
    assert found["result"] == "back"
    assert "ended and was started again" in found["reason"]
    assert share(digits) == 0


def test_without_requests_nothing_is_decided_for_it(digits: Digits, liteship: Run) -> None:
    digits.deploy("2", IMAGE_V2)
    result = liteship(*IDLE, "--patience-s", "2", "--json")
    assert result.code == 11
    assert result.json["result"] == "back"
    assert "the new version answered 0 of 50 requests in" in result.json["reason"]
    (step,) = result.json["steps"]
    assert step["new"] == {
        "requests": 0,
        "errors": None,
        "p99_ms": None,
        "predictions": 0,
        "low_confidence": None,
    }
    assert digits.percents() == {"1": 100}


def test_somebody_elses_change_stays(digits: Digits, liteship: Run) -> None:
    one, two = next(iter(digits.by_revision())), digits.deploy("2", IMAGE_V2)

    def interfere() -> None:
        digits.wait_until(lambda: share(digits) == 20)
        with Cluster() as api:
            write_routing(api, "digits", {one: 60, two: 40})

    somebody = threading.Thread(target=interfere)
    somebody.start()
    result = liteship(*IDLE, "--json")
    somebody.join()
    assert result.code == 11
    assert result.json["result"] == "left"
    assert "somebody else" in result.json["reason"]
    assert digits.percents() == {"1": 60, "2": 40}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_it_puts_the_traffic_back(digits: Digits, number: signal.Signals) -> None:
    digits.deploy("2", IMAGE_V2)
    canary = start(*IDLE)
    digits.wait_until(lambda: share(digits) == 20)
    canary.send_signal(number)
    output, _ = canary.communicate(timeout=60)
    assert canary.returncode == 130
    assert "nobody watches" in output
    assert "traffic: v1 100 %" in output
    assert "Traceback" not in output
    assert digits.percents() == {"1": 100}


def test_killed_it_leaves_its_step_and_the_same_command_goes_on(
    digits: Digits, liteship: Run, digit_png: bytes
) -> None:
    digits.deploy("2", IMAGE_V2)
    canary = start(*IDLE)
    digits.wait_until(lambda: share(digits) == 20)
    canary.kill()
    canary.communicate()
    assert digits.percents() == {"1": 80, "2": 20}
    # what was before the first of the two is what is gone back to
    assert liteship(*IDLE, "--patience-s", "1", "--json").json["result"] == "back"
    assert digits.percents() == {"1": 100}
    liteship("traffic", "digits", "v2=30", "--on", "knative")
    with Load(digits, digit_png):
        found = liteship(*SHORT, "--json").json
    assert found["result"] == "promoted", found["reason"]
    assert [step["percent"] for step in found["steps"]] == [50]


def test_an_api_server_that_is_away_is_waited_for(
    digits: Digits, liteship: Run, digit_png: bytes
) -> None:
    digits.deploy("2", IMAGE_V2)
    faults = digits.stand_in.faults

    def interfere() -> None:
        digits.wait_until(lambda: share(digits) == 20)
        faults.busy = [503] * 12

    somebody = threading.Thread(target=interfere)
    with Load(digits, digit_png):
        somebody.start()
        result = liteship(*WATCH, "--steps", "20,100", "--step-s", "3", "--json")
        somebody.join()
    assert faults.happened["busy"] == 12
    assert "trying again" in result.errors
    assert result.json["result"] == "promoted", result.json["reason"]
    assert share(digits) == 100


def test_a_right_that_is_missing_is_found_before_anything_is_changed(
    digits: Digits, refused: Refused
) -> None:
    before = digits.by_revision()
    digits.deploy("2", IMAGE_V2)
    digits.stand_in.faults.forbid("get", "pods/proxy")
    fields = refused(*IDLE)
    assert fields["reference"] == "cluster-forbidden"
    assert "may not get pods/proxy" in fields["error"]
    assert digits.by_revision() == before


def test_an_image_without_metrics_is_found_before_anything_is_changed(
    digits: Digits, refused: Refused
) -> None:
    digits.deploy("2", OLD_IMAGE)
    fields = refused(*IDLE)
    assert fields["reference"] == "metrics-missing"
    assert digits.percents() == {"1": 100}


def test_a_version_that_is_deleted_is_no_longer_routed_to(digits: Digits, liteship: Run) -> None:
    two = digits.deploy("2", IMAGE_V2)
    digits.deploy("3", IMAGE)  # else Knative would make version 2 anew

    def interfere() -> None:
        digits.wait_until(lambda: share(digits) == 20)
        with Cluster() as api:
            api.delete(REVISION, two)

    somebody = threading.Thread(target=interfere)
    somebody.start()
    found = liteship(*IDLE, "--json").json
    somebody.join()
    assert found["result"] == "back"
    assert f"{two} was deleted" in found["reason"]
    assert digits.percents() == {"1": 100}


def test_traffic_that_cannot_be_put_back_is_said_to_be_so(digits: Digits, liteship: Run) -> None:
    digits.deploy("2", IMAGE_V2)
    faults = digits.stand_in.faults

    def interfere() -> None:
        digits.wait_until(lambda: share(digits) == 20)
        faults.forbid("patch", "services.serving.knative.dev")

    somebody = threading.Thread(target=interfere)
    somebody.start()
    result = liteship(*IDLE, "--patience-s", "2")
    somebody.join()
    assert result.code == 11
    assert "could not be put back" in result.output
    assert "may not patch services.serving.knative.dev" in result.output
    assert "next step: liteship rollback digits --on knative" in result.output
    faults.allow("patch", "services.serving.knative.dev")
    assert liteship("rollback", "digits", "--on", "knative").code == 0
    assert digits.percents() == {"1": 100}


def test_without_watching_it_is_one_step(digits: Digits, liteship: Run) -> None:
    digits.deploy("2", IMAGE_V2)
    output = liteship("canary", "digits", "v2").output
    assert "v1 95 %, v2 5 %" in output
    assert "liteship traffic digits v2=25 --on knative" in output
    assert digits.percents() == {"1": 95, "2": 5}


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (["v2", "--steps", "50,20"], "steps-invalid"),
        (["v2", "--max-errors", "some"], "share-invalid"),
        (["v2", "--max-low-confidence", "101%"], "share-invalid"),
        (["v2", "--on", "lambda"], "platform-unsupported"),
        (["v2", "--on", "kubernetes"], "revisions-missing"),
        (["v9"], "version-missing"),
        (["v1"], "canary-impossible"),
    ],
)
def test_what_cannot_be_is_refused(
    digits: Digits, refused: Refused, arguments: list[str], reference: str
) -> None:
    assert refused("canary", "digits", *arguments)["reference"] == reference
    assert digits.percents() == {"1": 100}
