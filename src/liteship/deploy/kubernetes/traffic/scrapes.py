"""Asks every Pod of a Revision for its `/metrics`.

Through the API server, Pod by Pod: the way through the ingress leads to one of many Pods, a different
one each time, and each knows its own counts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.api.cluster import POD
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.labels import CONTAINER_PORT, REVISION_LABEL
from liteship.deploy.kubernetes.traffic.exposition import ExpositionError, parse
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.exposition import Samples


@dataclass(frozen=True, kw_only=True)
class Scrape:
    """What the Pods of a Revision said.

    Attributes:
        samples: By the Pod's UID; None where it did not answer, or not with metrics.
        problem: What one of those did instead; empty where all answered.
        restarts: How often each Pod's containers were started again, by the Pod's UID.
    """

    samples: Mapping[str, Samples | None]
    problem: str
    restarts: Mapping[str, int]


def scrape(cluster: Cluster, revision: str) -> Scrape:
    """Asks each running Pod of a Revision.

    Raises:
        DeploymentError: `metrics-missing`, when the server of a Pod has no such page.
        ClusterError: The API server cannot be asked, or does not allow it (`get pods/proxy`). A Pod
            that does not answer is no error.
    """
    samples: dict[str, Samples | None] = {}
    restarts: dict[str, int] = {}
    problem = ""
    for pod in cluster.list(POD, {REVISION_LABEL: revision}):
        metadata, status = pod["metadata"], pod.get("status") or {}
        restarts[metadata["uid"]] = sum(
            each.get("restartCount", 0) for each in status.get("containerStatuses") or []
        )
        if status.get("phase") == "Running":
            said = _ask(cluster, metadata["name"])
            samples[metadata["uid"]] = None if isinstance(said, str) else said
            problem = said if isinstance(said, str) else problem
    return Scrape(samples=samples, problem=problem, restarts=restarts)


def _ask(cluster: Cluster, pod: str) -> Samples | str:
    """The samples of a Pod, or what it did instead."""
    try:
        status, body = cluster.ask_pod(pod, CONTAINER_PORT, "GET", "/metrics")
    except ClusterError as error:
        if error.status in {0, 401, 403}:
            raise
        return f"{pod} does not answer: {error.message}"
    if status == 404:
        raise DeploymentError(
            "metrics-missing",
            f"the server in {pod} has no /metrics",
            expected="an image that liteship package made, of this version of liteship or a later one",
            hint="build and deploy it again; until then: liteship traffic NAME v3=10 --on knative",
        )
    if status != 200:
        return f"{pod} answers /metrics with status {status}"
    try:
        return parse(body.decode())
    except (ExpositionError, UnicodeDecodeError) as error:
        return f"what {pod} answers as /metrics cannot be read: {error}"
