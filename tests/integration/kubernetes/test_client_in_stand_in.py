"""The client against the stand-in: the same questions, answered by something that has controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.kubernetes.conftest import IMAGE, ROOT

from liteship.deploy.kubernetes import manifests
from liteship.deploy.kubernetes.api.cluster import (
    DISRUPTION_BUDGET,
    KNATIVE_SERVICE,
    POD,
    REVISION,
    Cluster,
    ClusterError,
)
from liteship.project import load_function

if TYPE_CHECKING:
    from tests.kubernetes_stand_in import StandIn


def is_ready(service: dict[str, Any] | None) -> bool:
    conditions = (service or {}).get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def test_a_deployment_is_watched_through_all_that_breaks(cluster: StandIn, digit_png: bytes) -> None:
    manifest = manifests.service(load_function("digits", ROOT).config, IMAGE)
    with Cluster() as client:
        assert client.get(KNATIVE_SERVICE, "digits") is None
        client.apply(manifest, dry_run=True)
        assert client.get(KNATIVE_SERVICE, "digits") is None
        cluster.faults.expire_watches, cluster.faults.drop_watches = 2, 2
        client.apply(manifest)
        changes = client.watch(KNATIVE_SERVICE, "digits", timeout_s=120)
        service = next(found for found in changes if is_ready(found))
        assert cluster.faults.happened["expire_watches"]
        assert service is not None
        (pod,) = client.list(POD, {"serving.knative.dev/service": "digits"})
        name = pod["metadata"]["name"]
        status, _ = client.ask_pod(name, 8080, "POST", "/predict", digit_png, "image/png")
        assert status == 200
        whole = list(client.logs(name, "digits"))
        cluster.faults.drop_logs, cluster.faults.drop_after_lines = 2, 1
        assert list(client.logs(name, "digits"))[: len(whole)] == whole
        assert cluster.faults.happened["drop_logs"] == 2
        assert client.delete(KNATIVE_SERVICE, "digits") is True
        assert client.delete(KNATIVE_SERVICE, "digits") is False
        gone = client.watch(KNATIVE_SERVICE, "digits", timeout_s=60)
        assert next(found for found in gone if found is None) is None


def test_two_managers_of_one_field(cluster: StandIn) -> None:
    budget: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "digits"},
        "spec": {"minAvailable": 1},
    }
    with Cluster() as client:
        client.apply(budget, manager="somebody")
        budget["spec"]["minAvailable"] = 2
        with pytest.raises(ClusterError) as refused:
            client.apply(budget)
        assert refused.value.reference == "apply-conflict"
        assert refused.value.problems == (".spec.minAvailable: managed by somebody",)
        applied = client.apply(budget, force=True)
        assert applied["spec"]["minAvailable"] == 2
        assert client.get(DISRUPTION_BUDGET, "digits") == applied


def test_what_the_stand_in_refuses_has_its_reference(cluster: StandIn) -> None:
    faults = cluster.faults
    with Cluster() as client:
        faults.forbid("list", "revisions.serving.knative.dev")
        with pytest.raises(ClusterError) as forbidden:
            client.list(REVISION)
        assert forbidden.value.reference == "cluster-forbidden"
        assert "may not list revisions.serving.knative.dev in the namespace" in str(forbidden.value)
        faults.busy = [503, 429]
        assert client.get(POD, "digits") is None
        assert faults.busy == []
        faults.refuse_connections = 2
        assert client.get(POD, "digits") is None
        assert client.serves("serving.knative.dev/v1")
        faults.no_knative = True
        assert not client.serves("serving.knative.dev/v1")
        with pytest.raises(ClusterError) as missing:
            client.get(KNATIVE_SERVICE, "digits")
        assert missing.value.reference == "api-missing"
        faults.unauthorized = True
        with pytest.raises(ClusterError) as unknown:
            client.get(POD, "digits")
        assert unknown.value.reference == "cluster-unauthorized"
