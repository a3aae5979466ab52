"""The plain form on a cluster that others work on, too: an autoscaler, kubectl, Knative."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.kubernetes.conftest import IMAGE, IMAGE_V2

from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, POD, SERVICE, Cluster
from liteship.deploy.kubernetes.manifests import plain, render
from liteship.deploy.kubernetes.operations.logs import Wanted, read_events
from liteship.deploy.kubernetes.rollout.deployment import Deployment, Progress, carry_out
from liteship.deploy.kubernetes.rollout.plan import apply
from liteship.deploy.kubernetes.rollout.preparation import Request, prepare
from liteship.deploy.rendering import write
from liteship.errors import LiteshipError
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kubernetes_stand_in import StandIn

    from liteship.deploy.kubernetes.api.kinds import Kind
    from liteship.project import FunctionFolder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def function(tmp_path: Path) -> FunctionFolder:
    """The digits function in a project of its own."""
    shutil.copytree(ROOT / "functions" / "digits", tmp_path / "functions" / "digits")
    write(tmp_path, [render])
    return load_function("digits", tmp_path)


@pytest.fixture
def api(cluster: StandIn, bundles: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster() as api:
        yield api


@pytest.fixture
def deploy(api: Cluster, function: FunctionFolder) -> Callable[..., Deployment]:
    """Plans and carries out; `told` gets what is said meanwhile."""

    def deploy(image: str = IMAGE, told: list[str] | None = None, **more: Any) -> Deployment:
        request = Request(function=function, platform="kubernetes", image=image, **more)
        said = (told if told is not None else []).append
        return carry_out(prepare(request, api, said), api, said, Progress())

    return deploy


def refused(deploy: Callable[..., Deployment], **more: Any) -> LiteshipError:
    with pytest.raises(LiteshipError) as raised:
        deploy(**more)
    return raised.value


class Scaling(Cluster):
    """A cluster whose autoscaler scales right after the Deployment was read."""

    scales = 1

    def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
        found = super().get(kind, name)
        if found is not None and self.scales:
            self.scales -= 1
            scaled = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name},
                "spec": {"replicas": found["spec"]["replicas"] + 1},
            }
            self.apply(scaled, manager="horizontal-pod-autoscaler", force=True)
        return found


def test_the_autoscaler_may_scale_between_reading_and_applying(
    deploy: Callable[..., Deployment], function: FunctionFolder
) -> None:
    deploy()
    with Scaling() as api:
        live, done = apply(api, plain(function.config, IMAGE)[0], force=False)
    assert live is not None
    assert (live["spec"]["replicas"], done["spec"]["replicas"]) == (4, 4)
    with Scaling() as api:
        api.scales = 10
        error = refused(lambda: apply(api, plain(function.config, IMAGE)[0], force=False))  # type: ignore[arg-type,return-value]
    assert error.reference == "apply-conflict"


def test_what_somebody_stopped_is_not_started_behind_their_back(
    deploy: Callable[..., Deployment], api: Cluster
) -> None:
    deploy()
    stopped = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "digits"},
        "spec": {"replicas": 0},
    }
    api.apply(stopped, manager="kubectl", force=True)
    error = refused(deploy)
    assert error.reference == "apply-conflict"
    assert list(error.problems) == [".spec.replicas: managed by kubectl"]
    deploy(force=True)
    live = api.get(DEPLOYMENT, "digits")
    assert live is not None
    assert live["status"]["availableReplicas"] == 3


def test_a_paused_deployment_is_told(deploy: Callable[..., Deployment], cluster: StandIn) -> None:
    deploy()
    key = ("apps/v1", "Deployment", "default", "digits")
    cluster.store.edit(key, lambda thing: thing["spec"].update(paused=True))
    error = refused(deploy, image=IMAGE_V2)
    assert error.reference == "rollout-paused"
    assert "kubectl rollout resume deployment/digits" in error.hint


def test_the_service_of_knative_is_not_taken_over(
    deploy: Callable[..., Deployment], api: Cluster
) -> None:
    owner = {"apiVersion": "serving.knative.dev/v1", "kind": "Route", "name": "digits", "uid": "1"}
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "digits", "ownerReferences": [owner | {"controller": True}]},
            "spec": {"type": "ExternalName", "externalName": "kourier.example.com"},
        },
        manager="controller",
    )
    error = refused(deploy, force=True)
    assert error.reference == "service-taken"
    assert "Route digits" in error.message
    service = api.get(SERVICE, "digits")
    assert service is not None
    assert service["spec"]["type"] == "ExternalName"


def test_a_load_balancer_without_an_address_is_told(
    deploy: Callable[..., Deployment], cluster: StandIn
) -> None:
    cluster.faults.pending_addresses = True
    told: list[str] = []
    assert deploy(told=told).way == "through the API server"
    assert any("no address yet" in each for each in told), told


def test_one_node_that_does_not_answer_keeps_no_other_log_back(
    deploy: Callable[..., Deployment], cluster: StandIn, api: Cluster
) -> None:
    deploy()
    names = sorted(pod["metadata"]["name"] for pod in api.list(POD))
    cluster.faults.lost_pods = {names[0]}
    told: list[str] = []
    wanted = Wanted(name="digits", form="kubernetes", since_ms=0)
    assert {event.stream for event in read_events(api, wanted, told.append)} == set(names[1:])
    assert len(told) == 1
    assert names[0] in told[0]
    assert "i/o timeout" in told[0]


def test_where_no_node_answers_it_is_an_error(
    deploy: Callable[..., Deployment], cluster: StandIn, api: Cluster
) -> None:
    deploy()
    cluster.faults.lost_pods = {pod["metadata"]["name"] for pod in api.list(POD)}
    wanted = Wanted(name="digits", form="kubernetes", since_ms=0)
    with pytest.raises(LiteshipError) as raised:
        list(read_events(api, wanted, lambda _line: None))
    assert raised.value.reference == "cluster-busy"
