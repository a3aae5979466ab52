"""`liteship deploy --to knative|kubernetes` against a stand-in whose Pods are processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.command_line import command_lines, refusals
from tests.integration.kubernetes.conftest import (
    BROKEN_IMAGE,
    CRASHING_IMAGE,
    IMAGE,
    MISSING_IMAGE,
)

from liteship.deploy.kubernetes.addresses import service_address
from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, KNATIVE_SERVICE, REVISION, Cluster
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.manifests import render, service
from liteship.deploy.kubernetes.rollout import readiness
from liteship.deploy.kubernetes.rollout.deployment import Progress, carry_out
from liteship.deploy.kubernetes.rollout.preparation import Request, prepare
from liteship.deploy.rendering import write
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command_line import Refused, Run
    from tests.kubernetes_stand_in import StandIn


ROOT = Path(__file__).parents[3]
OTHER_IMAGE = f"registry.example.com/digits@sha256:{'3' * 64}"
"""Of the same bundle as IMAGE, pushed anew."""

KNATIVE = ("--to", "knative", "--yes")
PLAIN = ("--to", "kubernetes", "--yes")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits function in a project of its own, its manifests rendered."""
    root = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions" / "digits", root / "functions" / "digits", ignore=ignored)
    write(root, [render])
    return root


@pytest.fixture
def cluster(cluster: StandIn, bundles: dict[str, Path]) -> StandIn:
    cluster.bundles[OTHER_IMAGE] = bundles[IMAGE]
    return cluster


@pytest.fixture
def deploy(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs `liteship deploy digits` in the project's folder."""
    yield from command_lines(project, monkeypatch, capsys, "deploy", "digits")


@pytest.fixture
def refused(deploy: Run) -> Refused:
    """A deployment that must fail; gives the error's fields."""
    return refusals(deploy)


def writes(cluster: StandIn) -> list[str]:
    """What was asked to be changed, and not only tried."""
    return [
        path
        for method, path, query in cluster.requests
        if method in {"PATCH", "PUT", "DELETE"} and "dryRun=All" not in query
    ]


def live(kind: Any, name: str = "digits") -> dict[str, Any]:
    with Cluster() as api:
        found = api.get(kind, name)
    assert found is not None
    return found


def revision_of(project: Path, image: str) -> str:
    manifest = service(load_function("digits", project).config, image)
    return str(manifest["spec"]["template"]["metadata"]["name"])


# What a deployment does


def test_a_plan_says_that_nothing_is_applied_and_what_applies_it(deploy: Run, cluster: StandIn) -> None:
    done = deploy(*KNATIVE, "--image", IMAGE, "--dry-run=server", "-n", "default")
    assert "nothing is applied" in done.output
    again = f"liteship deploy digits --to knative --namespace default --image {IMAGE}\n"
    assert again in done.output
    assert not writes(cluster)


def test_manifests_without_an_image_are_printed_with_a_note_beside_them(deploy: Run) -> None:
    done = deploy(*KNATIVE, "--dry-run=client", "-o", "yaml")
    assert yaml.safe_load(done.output)["kind"] == "Service"
    assert "There is no such image yet" in done.errors
    assert not deploy(*KNATIVE, "--dry-run=client", "-o", "yaml", "--image", IMAGE).errors


@pytest.mark.parametrize(
    "image", ["", "a b", "registry.example.com/UPPER:1", "registry.example.com/digits@sha256:12"]
)
def test_what_no_image_is_called_is_refused(refused: Refused, cluster: StandIn, image: str) -> None:
    assert refused(*KNATIVE, "--image", image)["reference"] == "image-invalid"
    assert not cluster.requests


def test_a_function_is_deployed_and_answers_through_the_ingress(
    deploy: Run, cluster: StandIn, project: Path
) -> None:
    done = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress)
    assert done.code == 0, done.errors
    assert "http://digits.default.example.com" in done.output
    assert f"through the ingress {cluster.ingress}" in done.output
    assert "answers the golden input" in done.output
    revision = revision_of(project, IMAGE)
    assert revision in done.output
    assert "applying the Service digits" in done.errors
    tags = {each["tag"]: each["revisionName"] for each in tagged(live(KNATIVE_SERVICE))}
    assert tags == {"v1": revision}


def tagged(service: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in service["status"]["traffic"] if each.get("tag")]


def test_deployed_again_nothing_is_written_and_nobody_is_asked(deploy: Run, cluster: StandIn) -> None:
    first = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress, "--json").json
    assert (first["changed"], first["percent"]) == (True, 100)
    cluster.requests.clear()
    again = deploy("--to", "knative", "--image", IMAGE, "--json")  # without --yes
    assert again.code == 0, again.output
    assert again.json["changed"] is False
    assert again.json["smoke_test"]["attempts"] == 1
    assert again.json["way"] == "through the API server"
    assert writes(cluster) == []
    with Cluster() as api:
        assert len(api.list(REVISION)) == 1


def test_what_a_cluster_adds_is_kept_with_the_revisions_name(deploy: Run, cluster: StandIn) -> None:
    cluster.faults.ephemeral_storage = "1Gi"
    assert deploy(*KNATIVE, "--image", IMAGE).code == 0
    again = deploy("--to", "knative", "--image", IMAGE, "--json")
    assert again.code == 0, again.output
    assert again.json["changed"] is False
    other = deploy(*KNATIVE, "--image", OTHER_IMAGE, "--json")
    assert other.code == 0, other.output
    assert other.json["changed"] is True


def test_the_plan_names_every_difference_and_changes_nothing(deploy: Run, cluster: StandIn) -> None:
    assert deploy(*KNATIVE, "--image", IMAGE).code == 0
    cluster.requests.clear()
    plan = deploy("--to", "knative", "--image", OTHER_IMAGE, "--dry-run=server", "--json").json["plan"]
    (change,) = plan["changes"]
    assert change["action"] == "changed"
    fields = {each["field"]: (each["before"], each["after"]) for each in change["differences"]}
    image = "spec.template.spec.containers[digits].image"
    assert fields.keys() == {image, "spec.template.metadata.name"}
    assert fields[image] == (IMAGE, OTHER_IMAGE)
    shown = deploy("--to", "knative", "--image", OTHER_IMAGE, "--dry-run=server").output
    assert f"{image}: {IMAGE} → {OTHER_IMAGE}" in " ".join(shown.split())
    assert writes(cluster) == []


def test_a_change_has_to_be_confirmed(refused: Refused, cluster: StandIn) -> None:
    assert refused("--to", "knative", "--image", IMAGE)["reference"] == "confirmation-missing"
    assert writes(cluster) == []


def test_without_traffic_the_new_revision_is_asked_at_its_tag(
    deploy: Run, cluster: StandIn, project: Path
) -> None:
    assert deploy(*KNATIVE, "--image", IMAGE).code == 0
    ingress = ("--ingress", cluster.ingress)
    second = deploy(*KNATIVE, "--image", OTHER_IMAGE, "--no-traffic", *ingress)
    assert second.code == 0, second.errors
    assert "http://v1-digits.default.example.com" in second.output
    assert "It gets no traffic: liteship promote digits --on knative" in second.output
    shares = {
        each["revisionName"]: each.get("percent")
        for each in live(KNATIVE_SERVICE)["status"]["traffic"]
        if each.get("percent")
    }
    assert shares == {revision_of(project, IMAGE): 100}
    # From now on the traffic is divided by hand: the next one gets none either, and is told so
    third = f"{OTHER_IMAGE[:-1]}4"
    cluster.bundles[third] = cluster.bundles[IMAGE]
    assert deploy(*KNATIVE, "--image", third, *ingress, "--json").json["percent"] == 0


def test_the_first_deployment_cannot_keep_the_traffic(refused: Refused, cluster: StandIn) -> None:
    error = refused(*KNATIVE, "--image", IMAGE, "--no-traffic")
    assert error["reference"] == "no-traffic-before"
    assert writes(cluster) == []


def test_scaled_to_zero_and_out_of_reach_is_told(deploy: Run, cluster: StandIn) -> None:
    cluster.window_s = 0.2
    assert deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress).code == 0
    wait_for(lambda: not [key for key in cluster.store if key[1] == "Pod"])
    again = deploy(*KNATIVE, "--image", IMAGE)
    assert again.code == 0
    assert "Not asked" in again.output
    assert "--ingress" in again.output


def wait_for(holds: Callable[[], bool], patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_function_of_the_cluster_alone_is_asked_through_its_api_server(
    cluster: StandIn, project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project, tmp_path / "project")
    path = tmp_path / "project" / "functions" / "digits" / "function.toml"
    path.write_text(path.read_text().replace('"public"', '"cluster-local"'))
    write(tmp_path / "project", [render])
    function = load_function("digits", tmp_path / "project")
    request = Request(function=function, platform="knative", image=IMAGE, ingress=cluster.ingress)
    with Cluster() as api:
        done = carry_out(prepare(request, api, print), api, print, Progress())
    assert done.way == "through the API server"
    assert done.url.endswith(".svc.cluster.local")
    assert done.smoke_test is not None
    service = live(KNATIVE_SERVICE)
    with Cluster() as api:
        inside = service_address(api, service, ingress=cluster.ingress_inside)
    assert inside.way == f"through the ingress {cluster.ingress_inside}"
    assert inside.ask("GET", "/health/ready", b"", "")["model"] == "digits"


def test_where_knative_has_no_domain_it_is_asked_all_the_same(deploy: Run, cluster: StandIn) -> None:
    cluster.faults.no_domain = True
    cluster.window_s = 1.0
    first = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress, "--json").json
    assert first["url"] == "http://digits.default.svc.cluster.local"
    assert first["way"] == "through the API server"
    wait_for(lambda: not [key for key in cluster.store if key[1] == "Pod"])
    again = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress)
    assert again.code == 0
    assert "config-domain" in again.output


def test_pods_that_start_are_waited_for_whatever_knative_says_of_them(
    deploy: Run, cluster: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "LOOK_S", 0.05)
    cluster.faults.no_minimum = True
    done = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress)
    assert done.code == 0, done.errors
    assert cluster.faults.happened["no_minimum"]


# Without a cluster


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_manifests_are_printed_without_any_cluster(
    deploy: Run, monkeypatch: pytest.MonkeyPatch, project: Path, form: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    done = deploy("--to", "knative", "--dry-run=client", "-o", form)
    assert done.code == 0
    assert done.errors.startswith("note: There is no such image yet")
    assert done.errors.count("\n") == 1
    (manifest,) = list(yaml.safe_load_all(done.output))
    file = project / "knative" / "base" / "digits" / "service.yaml"
    rendered = yaml.safe_load(file.read_text())
    assert manifest["spec"]["template"]["metadata"] == rendered["spec"]["template"]["metadata"]
    plain = deploy("--to", "kubernetes", "--dry-run", "-o", form, "--namespace", "models").output
    kinds = re.findall(r'^ *"?kind"?: "?(\w+)', plain, re.MULTILINE)
    assert {"Deployment", "Service", "NetworkPolicy"} < set(kinds)
    assert plain.count("models") == 5


def test_a_dry_run_without_a_form_names_the_objects(deploy: Run) -> None:
    done = deploy("--to", "kubernetes", "--dry-run")
    assert done.code == 0
    assert "Deployment digits (apps/v1)" in done.output
    assert "No cluster was asked" in done.output


# Why it does not become ready


def test_an_image_that_cannot_be_pulled_is_named_and_the_version_before_answers(
    deploy: Run, refused: Refused, cluster: StandIn, project: Path
) -> None:
    assert deploy(*KNATIVE, "--image", IMAGE).code == 0
    error = refused(*KNATIVE, "--image", MISSING_IMAGE.replace("0" * 64, "9" * 64))
    assert error["reference"] == "image-not-pullable"
    assert f"to {revision_of(project, IMAGE)}" in error["error"]
    assert "9" * 64 in error["problems"][0]
    assert "imagePullSecrets" in error["hint"]


def test_a_container_that_exits_is_quoted(refused: Refused, cluster: StandIn) -> None:
    error = refused(*KNATIVE, "--image", CRASHING_IMAGE)
    assert error["reference"] == "container-exits"
    assert "no such hook" in error["problems"][0]
    assert "exits with code 1" in error["problems"][0]
    assert "nobody is answered yet" in error["error"]


@pytest.mark.parametrize("platform", [KNATIVE, PLAIN])
def test_a_server_that_is_not_ready_is_quoted(
    refused: Refused, cluster: StandIn, platform: tuple[str, ...]
) -> None:
    error = refused(*platform, "--image", BROKEN_IMAGE)
    assert error["reference"] == "readiness-fails"
    assert "answers 503" in error["problems"][0]
    assert "self-test-failed" in error["problems"][0]


@pytest.mark.parametrize("platform", [KNATIVE, PLAIN])
def test_pods_beyond_the_quota_are_told(
    refused: Refused, cluster: StandIn, platform: tuple[str, ...]
) -> None:
    cluster.faults.pod_quota = "compute, requested: cpu=1, used: cpu=8, limited: cpu=8"
    error = refused(*platform, "--image", IMAGE)
    assert error["reference"] == "quota-exceeded"
    assert "limited: cpu=8" in error["problems"][0]


@pytest.mark.parametrize("platform", [KNATIVE, PLAIN])
def test_pods_without_a_node_are_waited_for_until_the_time_is_up(
    refused: Refused, cluster: StandIn, platform: tuple[str, ...]
) -> None:
    cluster.faults.unschedulable = "1 Insufficient cpu"
    error = refused(*platform, "--image", IMAGE, "--timeout-s", "5")
    assert error["reference"] == "not-ready-in-time"
    assert "Insufficient cpu" in error["problems"][0]
    assert "cpu_request" in error["hint"]


def test_a_revision_of_the_same_name_with_another_template_is_told(
    refused: Refused, cluster: StandIn, project: Path
) -> None:
    config = load_function("digits", project).config
    taken = service(config, IMAGE)
    taken["spec"]["template"]["spec"]["timeoutSeconds"] = 7
    with Cluster() as api:
        for manifest in (taken, service(config, OTHER_IMAGE)):
            api.apply(manifest)
            name = manifest["spec"]["template"]["metadata"]["name"]
            wait_for(lambda name=name: api.get(REVISION, name) is not None)  # type: ignore[misc]
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "revision-name-taken"
    assert f"kubectl delete revision {revision_of(project, IMAGE)}" in error["hint"]


def test_a_rollout_without_progress_is_told(refused: Refused, cluster: StandIn) -> None:
    cluster.faults.unschedulable = "1 Insufficient cpu"
    cluster.progress_deadline_s = 0.5
    error = refused(*PLAIN, "--image", IMAGE)
    assert error["reference"] == "rollout-stuck"


def test_a_webhooks_refusal_is_quoted_before_anything_is_applied(
    refused: Refused, cluster: StandIn
) -> None:
    cluster.faults.webhook = "validation failed: expected 0 <= 2000 <= 1000: spec.containerConcurrency"
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "webhook-refused"
    assert "containerConcurrency" in error["received"]
    assert writes(cluster) == []


def test_fields_of_others_are_left_to_them_unless_forced(
    deploy: Run, refused: Refused, cluster: StandIn
) -> None:
    with Cluster() as api:
        manifest = service(load_function("digits", ROOT).config, OTHER_IMAGE)
        manifest["spec"]["template"]["spec"]["timeoutSeconds"] = 7
        api.apply(manifest, manager="somebody")
    cluster.requests.clear()
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "apply-conflict"
    assert any("timeoutSeconds" in each and "somebody" in each for each in error["problems"]), error
    assert "--force-conflicts" in error["hint"]
    assert writes(cluster) == []
    assert deploy(*KNATIVE, "--image", IMAGE, "--force-conflicts").code == 0


# What a cluster refuses


def test_without_knative_the_plain_form_is_offered(refused: Refused, cluster: StandIn) -> None:
    cluster.faults.no_knative = True
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "knative-missing"
    assert "serving.knative.dev/v1" in error["error"]
    assert "--to kubernetes" in error["hint"]


def test_a_missing_permission_is_named(refused: Refused, cluster: StandIn) -> None:
    cluster.faults.forbid("patch", "services.serving.knative.dev")
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "cluster-forbidden"
    assert "may not patch services.serving.knative.dev" in error["error"]


def test_a_smoke_test_that_is_not_allowed_says_what_was_done(
    refused: Refused, cluster: StandIn
) -> None:
    cluster.faults.forbid("*", "pods/proxy")
    error = refused(*KNATIVE, "--image", IMAGE)
    assert error["reference"] == "cluster-forbidden"
    assert "pods/proxy" in error["error"]
    assert "done before: the Service digits is applied" in error["problems"]
    assert "done before: it is ready" in error["problems"]


def test_a_missing_namespace_is_told(refused: Refused, cluster: StandIn) -> None:
    error = refused(*KNATIVE, "--image", IMAGE, "--namespace", "models")
    assert error["reference"] == "namespace-missing"
    assert "kubectl create namespace models" in error["hint"]


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("--namespace", "My_Models", "--image", IMAGE), "namespace-invalid"),
        (("--ingress", "127.0.0.1:31080", "--image", IMAGE), "ingress-invalid"),
        ((), "image-unset"),
        (("--image", IMAGE, "--region", "eu-central-1"), "option-unused"),
        (("--image", IMAGE, "-o", "yaml"), "output-choice"),
    ],
)
def test_what_is_wrong_with_the_command_is_told(
    refused: Refused, cluster: StandIn, arguments: tuple[str, ...], reference: str
) -> None:
    assert refused(*KNATIVE, *arguments)["reference"] == reference
    assert writes(cluster) == []


def test_nobody_there_is_told(
    refused: Refused,
    cluster: StandIn,
    closed_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        cluster.kubeconfig.read_text().replace(cluster.server, f"http://127.0.0.1:{closed_port}")
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert refused(*KNATIVE, "--image", IMAGE)["reference"] == "cluster-unreachable"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert refused(*KNATIVE, "--image", IMAGE)["reference"] == "kubeconfig-missing"


def test_an_api_server_that_is_restarted_while_it_is_waited_for_is_asked_again(
    cluster: StandIn, project: Path
) -> None:
    cluster.faults.unschedulable = "1 Insufficient cpu"
    cluster.faults.expire_watches = 1
    cluster.faults.drop_watches = 1
    lines: list[str] = []

    def restart(line: str) -> None:
        lines.append(line)
        if "Insufficient cpu" in line and cluster.faults.unschedulable:
            cluster.faults.busy = [503] * 4
            cluster.faults.unschedulable = ""

    function = load_function("digits", project)
    request = Request(function=function, platform="knative", image=IMAGE, ingress=cluster.ingress)
    with Cluster() as api:
        done = carry_out(prepare(request, api, restart), api, restart, Progress())
    assert done.percent == 100
    assert cluster.faults.happened["busy"] == 4
    assert cluster.faults.happened["expire_watches"] + cluster.faults.happened["drop_watches"] == 2
    assert any("Insufficient cpu" in line for line in lines)


# Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_what_is_applied_and_can_be_run_again(
    deploy: Run, cluster: StandIn, project: Path, number: signal.Signals
) -> None:
    cluster.faults.unschedulable = "1 Insufficient cpu"
    process = subprocess.Popen(
        [sys.executable, "-m", "liteship", "deploy", "digits", *KNATIVE, "--image", IMAGE],
        cwd=project,
        env=os.environ | {"COLUMNS": "400"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(60, process.kill)
    guard.start()
    assert process.stderr is not None
    while "waiting for" not in (line := process.stderr.readline()):
        assert line, "it ended before it waited"
    process.send_signal(number)
    _, errors = process.communicate()
    guard.cancel()
    assert process.returncode == 130
    assert "the Service digits is applied" in errors
    assert "It can be run again: liteship deploy digits --to knative" in errors
    assert "Traceback" not in errors
    cluster.faults.unschedulable = ""
    cluster.requests.clear()
    again = deploy(*KNATIVE, "--image", IMAGE, "--ingress", cluster.ingress, "--json").json
    assert (again["deployed"], again["changed"]) == (True, False)


# Without Knative


def test_the_plain_form_is_rolled_and_keeps_what_the_autoscaler_chose(
    deploy: Run, cluster: StandIn
) -> None:
    first = deploy(*PLAIN, "--image", IMAGE, "--json").json
    assert first["way"] == "directly"
    assert {each["action"] for each in first["plan"]["changes"]} == {"created"}
    key = ("apps/v1", "Deployment", "default", "digits")
    cluster.store.edit(key, lambda thing: thing["spec"].update(replicas=4))
    cluster.requests.clear()
    second = deploy(*PLAIN, "--image", OTHER_IMAGE, "--json").json
    actions = {each["kind"]: each["action"] for each in second["plan"]["changes"]}
    assert actions.pop("Deployment") == "changed"
    assert set(actions.values()) == {"unchanged"}
    assert writes(cluster) == ["/apis/apps/v1/namespaces/default/deployments/digits"]
    deployment = live(DEPLOYMENT)
    assert deployment["spec"]["replicas"] == 4
    assert deployment["status"]["updatedReplicas"] == 4
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == OTHER_IMAGE


def test_without_an_address_it_is_asked_through_the_api_server(deploy: Run, cluster: StandIn) -> None:
    cluster.faults.pending_addresses = True
    done = deploy(*PLAIN, "--image", IMAGE, "--json").json
    assert done["way"] == "through the API server"
    assert done["url"] == "http://digits.default.svc.cluster.local"
    assert done["smoke_test"]["attempts"] == 1


def test_half_applied_it_says_which_half(cluster: StandIn, project: Path) -> None:
    request = Request(
        function=load_function("digits", project), platform="kubernetes", image=IMAGE, timeout_s=30
    )

    def forbid_in_between(line: str) -> None:
        if "HorizontalPodAutoscaler" in line:
            cluster.faults.forbid("patch", "horizontalpodautoscalers.autoscaling")

    with Cluster() as api:
        prepared = prepare(request, api, forbid_in_between)
        with pytest.raises(ClusterError) as raised:
            carry_out(prepared, api, forbid_in_between, Progress())
    assert raised.value.reference == "cluster-forbidden"
    done = [each for each in raised.value.problems if each.startswith("done before")]
    assert done == [
        "done before: the Deployment digits is applied",
        "done before: the Service digits is applied",
    ]
    assert "liteship deploy digits --to kubernetes" in raised.value.hint
