"""`liteship logs|invoke|delete` on a cluster, against a stand-in whose Pods are processes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.command_line import command_lines, refusals
from tests.integration.kubernetes.conftest import CRASHING_IMAGE, IMAGE, MISSING_IMAGE

from liteship.deploy.kubernetes.api.cluster import (
    DEPLOYMENT,
    KNATIVE_SERVICE,
    POD,
    REVISION,
    SERVICE,
    Cluster,
)
from liteship.deploy.kubernetes.manifests import plain, service
from liteship.deploy.kubernetes.operations import removal
from liteship.errors import DeploymentError
from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command_line import Refused, Run
    from tests.kubernetes_stand_in import StandIn

    Put = Callable[..., None]

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0


@pytest.fixture
def function(tmp_path: Path) -> FunctionFolder:
    """digits' function.toml in a project of its own."""
    folder = tmp_path / "functions" / "digits"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "functions" / "digits" / "function.toml", folder)
    return load_function("digits", tmp_path)


@pytest.fixture
def api(cluster: StandIn) -> Iterator[Cluster]:
    """liteship's own client of the stand-in."""
    with Cluster() as api:
        yield api


@pytest.fixture
def put(api: Cluster, function: FunctionFolder) -> Put:
    """Applies the Knative Service; waits until its Revision is ready, unless told not to."""

    def put(version: str = "1", image: str = IMAGE, *, ready: bool = True) -> None:
        config = function.config.model_copy(update={"version": version})
        manifest = service(config, image)
        api.apply(manifest)
        revision = manifest["spec"]["template"]["metadata"]["name"]
        if ready:
            wait_for(lambda: newest_ready(api) == revision)

    return put


@pytest.fixture
def put_plain(api: Cluster, function: FunctionFolder) -> Callable[[], None]:
    """Applies the plain form with one replica; waits until it is available."""

    def put_plain() -> None:
        for manifest in plain(function.config, IMAGE):
            if manifest["kind"] == "Deployment":
                manifest["spec"]["replicas"] = 1
            api.apply(manifest)
        wait_for(
            lambda: (api.get(DEPLOYMENT, "digits") or {}).get("status", {}).get("availableReplicas")
        )

    return put_plain


@pytest.fixture
def liteship(
    function: FunctionFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs one command line in the project's folder."""
    yield from command_lines(function.root, monkeypatch, capsys)


@pytest.fixture
def refused(liteship: Run) -> Refused:
    """Runs a command line that must fail; gives the error's fields."""
    return refusals(liteship)


@pytest.fixture
def picture(tmp_path: Path, digit_png: bytes) -> str:
    path = tmp_path / "7.png"
    path.write_bytes(digit_png)
    return str(path)


def wait_for(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def newest_ready(api: Cluster) -> str:
    status = (api.get(KNATIVE_SERVICE, "digits") or {}).get("status", {})
    return str(status.get("latestReadyRevisionName"))


def ask(cluster: StandIn, path: str = "/health/ready") -> int:
    request = urllib.request.Request(cluster.ingress + path)  # noqa: S310
    request.add_header("Host", "digits.default.example.com")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310
        return int(response.status)


def scale_to_zero(cluster: StandIn, api: Cluster) -> None:
    cluster.window_s = 1.0
    wait_for(lambda: not api.list(POD))


# Logs


def test_the_lines_of_all_pods_come_by_time(
    put: Put, api: Cluster, liteship: Run, picture: str
) -> None:
    put("1")
    put("2")
    for version in ("1", "2"):
        call = liteship("invoke", "digits", "--on=knative", "--image", picture, "--version", version)
        assert call.json["statusCode"] == 200, call.output
    lines = liteship("logs", "digits", "--on", "knative", "--json").lines
    assert {line["version"] for line in lines} == {"1", "2"}
    assert len({line["stream"] for line in lines}) == 2
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    predicted = [
        each
        for each in lines
        if isinstance(each["message"], dict) and each["message"]["message"] == "predicted"
    ]
    assert {each["version"] for each in predicted} == {"1", "2"}
    assert len({line["id"] for line in lines}) == len(lines)


def test_people_read_version_and_pod(put: Put, api: Cluster, liteship: Run, picture: str) -> None:
    put()
    liteship("invoke", "digits", "--on=knative", "--image", picture)
    (pod,) = api.list(POD)
    output = liteship("logs", "digits", "--on", "knative", "--filter", "predicted").output
    (line,) = output.splitlines()
    short = pod["metadata"]["name"].rpartition("-")[2]
    assert f" v1 {short} INFO    predicted model=digits" in line


def test_one_version_or_one_revision_alone(put: Put, api: Cluster, liteship: Run) -> None:
    put("1")
    put("2")
    names = {
        each["metadata"]["labels"]["app.kubernetes.io/version"]: each for each in api.list(REVISION)
    }
    for wanted in ("2", "v2", names["2"]["metadata"]["name"]):
        result = liteship("logs", "digits", "--on", "knative", "--json", "--version", wanted)
        assert {line["version"] for line in result.lines} == {"2"}


def test_the_plain_form_has_a_log_too(put_plain: Any, liteship: Run) -> None:
    put_plain()
    assert liteship("logs", "digits", "--on", "kubernetes", "--json").lines


def test_without_a_pod_there_is_nothing_to_read(
    put: Put, cluster: StandIn, api: Cluster, liteship: Run
) -> None:
    put()
    scale_to_zero(cluster, api)
    result = liteship("logs", "digits", "--on", "knative")
    assert (result.code, result.output) == (0, "")
    assert result.errors == "no Pod of digits runs: scaled to zero\n"


def test_a_container_that_has_not_started_has_no_log(put: Put, api: Cluster, refused: Refused) -> None:
    put(image=MISSING_IMAGE, ready=False)
    wait_for(lambda: "ImagePull" in json.dumps(api.list(POD)))
    error = refused("logs", "digits", "--on", "knative")
    assert error["reference"] == "container-waiting"
    assert "ImagePull" in error["problems"][0]


def test_a_container_that_crashes_shows_what_it_said(put: Put, api: Cluster, liteship: Run) -> None:
    put(image=CRASHING_IMAGE, ready=False)
    wait_for(lambda: '"restartCount": 2' in json.dumps(api.list(POD)))
    output = liteship("logs", "digits", "--on", "knative", "--filter", "no such hook").output
    assert output.count("no such hook") >= 1


def test_what_is_not_allowed_is_named(put: Put, cluster: StandIn, refused: Refused) -> None:
    put()
    cluster.faults.forbid("get", "pods/log")
    error = refused("logs", "digits", "--on", "knative")
    assert error["reference"] == "cluster-forbidden"
    assert "pods/log" in json.dumps(error)


def test_versions_and_functions_that_are_not_there(put: Put, api: Cluster, refused: Refused) -> None:
    assert refused("logs", "digits", "--on", "knative")["reference"] == "function-not-deployed"
    assert refused("logs", "digits", "--on", "kubernetes")["reference"] == "function-not-deployed"
    put()
    error = refused("logs", "digits", "--on", "knative", "--version", "9")
    assert error["reference"] == "version-missing"


@pytest.fixture
def follow(cluster: StandIn, function: FunctionFolder, tmp_path: Path) -> Iterator[Any]:
    """Starts `liteship logs --follow` in a process of its own; gives it with a reader of its output."""
    out, err = tmp_path / "out", tmp_path / "err"

    def start(*options: str) -> tuple[subprocess.Popen[bytes], Path, Path]:
        command = [sys.executable, "-m", "liteship", "logs", "digits", "--on=knative", "--follow"]
        process = subprocess.Popen(
            [*command, *options],
            cwd=function.root,
            env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
            stdout=stack.enter_context(out.open("wb")),
            stderr=stack.enter_context(err.open("wb")),
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process, out, err

    with contextlib.ExitStack() as stack:
        yield start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pods_that_start_later_are_followed_and_a_signal_ends_it(
    number: int, put: Put, cluster: StandIn, api: Cluster, follow: Any
) -> None:
    put()
    scale_to_zero(cluster, api)
    process, out, err = follow("--json")
    wait_for(lambda: "scaled to zero" in err.read_text())
    cluster.window_s = 3600
    assert ask(cluster) == 200  # a Pod starts
    wait_for(lambda: out.read_text().count("\n") > 0)
    put("2")  # and another one
    wait_for(lambda: '"version": "2"' in out.read_text())
    assert err.read_text().count("scaled to zero") == 1
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    process.send_signal(number)  # both streams are silent now
    assert process.wait(PATIENCE_S) == 130
    assert "Traceback" not in err.read_text()


def test_a_stream_that_breaks_off_is_taken_up_again(
    put: Put, cluster: StandIn, api: Cluster, follow: Any, liteship: Run, picture: str
) -> None:
    put()
    cluster.faults.drop_logs = 2
    _, out, err = follow("--json", "--filter", "predicted")
    wait_for(lambda: cluster.faults.happened["drop_logs"] == 2)
    for _ in range(2):
        liteship("invoke", "digits", "--on=knative", "--image", picture)
    wait_for(lambda: out.read_text().count("\n") >= 2)
    assert out.read_text().count("\n") == 2
    assert err.read_text() == ""


# Invoke


def test_a_request_through_the_ingress_wakes_a_pod(
    put: Put, cluster: StandIn, api: Cluster, liteship: Run, picture: str
) -> None:
    put()
    scale_to_zero(cluster, api)
    result = liteship(
        *("invoke", "digits", "--on=knative", "--image", picture, "--ingress", cluster.ingress)
    )
    answer = result.json
    assert answer["statusCode"] == 200, result.output
    assert answer["body"]["predictions"][0]["label"] == "7"
    assert answer["way"] == f"through the ingress {cluster.ingress}"


def test_without_an_ingress_a_pod_is_asked_and_there_has_to_be_one(
    put: Put, cluster: StandIn, api: Cluster, liteship: Run, refused: Refused, picture: str
) -> None:
    put()
    asked = ("invoke", "digits", "--on=knative", "--image", picture)
    assert liteship(*asked).json["way"] == "through the API server"
    scale_to_zero(cluster, api)
    assert refused(*asked)["reference"] == "pods-missing"
    assert "--ingress" in refused(*asked)["hint"]


def test_an_http_event_is_the_request_that_it_describes(
    put: Put, cluster: StandIn, liteship: Run, refused: Refused, tmp_path: Path
) -> None:
    put()
    events = ROOT / "tests" / "data" / "events"
    asked = ("invoke", "digits", "--on=knative", "--ingress", cluster.ingress, "--event")
    for kind in ("http_v2", "function_url"):
        answer = liteship(*asked, str(events / f"{kind}.json")).json
        assert answer["statusCode"] == 200
        assert "predictions" in answer["body"]
    for kind in ("http_v1", "s3_put", "sqs", "eventbridge", "cloudevent"):
        error = refused(*asked, str(events / f"{kind}.json"))
        assert error["reference"] == "event-kind"


def test_an_error_is_an_answer_too(put: Put, cluster: StandIn, liteship: Run, tmp_path: Path) -> None:
    put()
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    result = liteship(
        "invoke", "digits", "--on=knative", "--image", str(bad), "--ingress", cluster.ingress
    )
    assert result.code == 0
    assert result.json["statusCode"] in {400, 415, 422}
    assert result.json["body"]["reference"]


def test_the_plain_form_is_asked(put_plain: Any, liteship: Run, picture: str) -> None:
    put_plain()
    answer = liteship("invoke", "digits", "--on=kubernetes", "--image", picture).json
    assert answer["statusCode"] == 200
    assert answer["body"]["predictions"][0]["label"] == "7"


def test_an_ingress_that_does_not_answer(
    put: Put, refused: Refused, picture: str, closed_port: int
) -> None:
    put()
    where = ("--ingress", f"http://127.0.0.1:{closed_port}")
    error = refused("invoke", "digits", "--on=knative", "--image", picture, *where)
    assert error["reference"] == "invocation-failed"
    assert "refused" in error["received"]


@pytest.mark.parametrize(
    "command",
    [
        ("logs", "digits", "--on=knative", "--stage=prod"),
        ("logs", "digits", "--namespace=x"),
        ("invoke", "digits", "--on=knative", "--image=x", "--stage=prod"),
        ("invoke", "digits", "--on=kubernetes", "--image=x", "--version=1"),
        ("invoke", "digits", "--image=x", "--context=y"),
        ("delete", "digits", "--on=knative", "--empty-bucket"),
        ("delete", "digits", "--context=x"),
    ],
)
def test_options_of_the_other_platform_are_refused(command: tuple[str, ...], refused: Refused) -> None:
    assert refused(*command)["reference"] == "option-unused"


# Delete


def test_the_service_goes_with_all_that_it_made(put: Put, api: Cluster, liteship: Run) -> None:
    put("1")
    put("2")
    result = liteship("delete", "digits", "--on", "knative", "--yes")
    assert result.code == 0, result.errors
    assert "Revision" in result.output
    assert "digits is deleted from the namespace default" in " ".join(result.output.split())
    for kind in (KNATIVE_SERVICE, REVISION, POD, DEPLOYMENT):
        assert api.list(kind) == []
    again = liteship("delete", "digits", "--on", "knative")
    assert again.code == 0
    assert "there is no Knative Service digits" in again.output


def test_the_plain_forms_five_objects_go(put_plain: Any, api: Cluster, liteship: Run) -> None:
    put_plain()
    result = liteship("delete", "digits", "--on", "kubernetes", "--yes", "--json")
    assert result.code == 0
    objects = result.json["objects"]
    assert {each for each in objects if not each.startswith("Pod ")} == {
        f"{kind.kind} digits" for kind in removal.KINDS["kubernetes"]
    }
    assert api.list(POD) == []
    assert not liteship("delete", "digits", "--on", "kubernetes", "--json").json["deleted"]


def test_each_form_leaves_the_other_one_alone(
    put: Put, put_plain: Any, api: Cluster, liteship: Run
) -> None:
    put_plain()
    liteship("delete", "digits", "--on", "knative", "--yes")
    assert api.get(SERVICE, "digits") is not None
    assert len(api.list(POD)) == 1


def test_the_service_that_knative_makes_beside_its_own_is_not_the_plain_form(
    api: Cluster, liteship: Run
) -> None:
    owner = {"apiVersion": "serving.knative.dev/v1", "kind": "Route", "name": "digits", "uid": "1"}
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "digits", "ownerReferences": [owner | {"controller": True}]},
            "spec": {"type": "ExternalName", "externalName": "kourier.example.com"},
        }
    )
    result = liteship("delete", "digits", "--on", "kubernetes", "--yes", "--json")
    assert (result.code, result.json["deleted"]) == (0, False)
    assert api.get(SERVICE, "digits") is not None


def test_what_liteship_did_not_make_is_not_deleted(
    put: Put, api: Cluster, function: FunctionFolder, refused: Refused
) -> None:
    manifest = service(function.config, IMAGE)
    manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    api.apply(manifest)
    error = refused("delete", "digits", "--on", "knative", "--yes")
    assert error["reference"] == "not-ours"
    assert "Service digits" in error["problems"][0]
    assert "Helm" in error["problems"][0]
    assert api.get(KNATIVE_SERVICE, "digits") is not None


def test_it_asks_first(put: Put, api: Cluster, refused: Refused) -> None:
    put()
    error = refused("delete", "digits", "--on", "knative")
    assert error["reference"] == "confirmation-missing"
    assert api.get(KNATIVE_SERVICE, "digits") is not None


def test_who_holds_it_is_named(api: Cluster, function: FunctionFolder) -> None:
    manifest = service(function.config, IMAGE)
    manifest["metadata"]["finalizers"] = ["example.com/archive"]
    api.apply(manifest)
    found = removal.find_objects(api, "digits", "knative")
    with pytest.raises(DeploymentError) as held:
        removal.delete_objects(api, "digits", "knative", found, lambda *_: None, patience_s=0.5)
    assert held.value.reference == "deletion-timeout"
    assert "Service digits waits for example.com/archive" in held.value.problems
    assert "kubectl describe services.serving.knative.dev digits" in held.value.hint


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"], ids=["no", "nothing", "end of input"])
def test_only_a_yes_is_a_yes(put: Put, api: Cluster, function: FunctionFolder, answer: bytes) -> None:
    put()
    person, terminal = pty.openpty()
    os.write(person, answer)
    ended = subprocess.run(
        [sys.executable, "-m", "liteship", "delete", "digits", "--on", "knative"],
        cwd=function.root,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    os.close(person)
    os.close(terminal)
    assert ended.returncode == 130
    assert "Delete all of digits in the namespace default of stand-in?" in ended.stdout + ended.stderr
    assert ended.stdout.endswith("nothing is deleted\n")
    assert api.get(KNATIVE_SERVICE, "digits") is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_to_go_on(
    api: Cluster, cluster: StandIn, function: FunctionFolder, number: signal.Signals
) -> None:
    manifest = service(function.config, IMAGE)
    manifest["metadata"]["finalizers"] = ["example.com/archive"]
    api.apply(manifest)
    process = subprocess.Popen(
        [sys.executable, "-m", "liteship", "delete", "digits", "--on", "knative", "--yes", "--json"],
        cwd=function.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: any(method == "DELETE" for method, *_ in cluster.requests))
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert (process.returncode, output) == (130, "")
    assert "is deleted by: liteship delete digits --on knative --namespace default" in errors
