"""What liteship has put on a cluster for one function, in either form, and the Pods that serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, POD
from liteship.deploy.kubernetes.labels import (
    MANAGER,
    MANAGER_LABEL,
    NAME_LABEL,
    REVISION_LABEL,
    SERVICE_LABEL,
    VERSION_LABEL,
)
from liteship.deploy.kubernetes.traffic.revisions import find_revision, list_revisions, read_service
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster

Form = Literal["knative", "kubernetes"]


def require_deployed(cluster: Cluster, name: str, form: Form, version: str | None = None) -> None:
    """Refuses a function, or a version of it, that is not there.

    Raises:
        DeploymentError: `function-not-deployed`, `version-missing`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    cluster.require_namespace()
    if form == "knative":
        service = read_service(cluster, name)
        if version is not None:
            find_revision(list_revisions(cluster, name, service), version)
    elif cluster.get(DEPLOYMENT, name) is None:
        raise DeploymentError(
            "function-not-deployed",
            f"the namespace {cluster.namespace} has no Deployment {name}",
            hint=f"liteship deploy {name} --to kubernetes, or name another --namespace or --context",
        )


def list_pods(
    cluster: Cluster, name: str, form: Form, version: str | None = None
) -> list[dict[str, Any]]:
    """The Pods of a function, oldest first, those that are starting or ending included.

    Args:
        cluster: Where.
        name: The function.
        form: Whose Pods: both forms label them with the function's name.
        version: Only those of this version, or of the Revision of this name.

    Raises:
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    # Others may call a Pod by the function's name
    labels = {SERVICE_LABEL: name} if form == "knative" else {NAME_LABEL: name, MANAGER_LABEL: MANAGER}
    pods = [
        pod
        for pod in cluster.list(POD, labels)
        if (form == "knative" or SERVICE_LABEL not in _labels(pod))
        and (version is None or _is_version(pod, version))
    ]
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))


def version_of(pod: Mapping[str, Any]) -> str:
    """The version that a Pod's label names; empty where it has none."""
    return str(_labels(pod).get(VERSION_LABEL, ""))


def _is_version(pod: Mapping[str, Any], wanted: str) -> bool:
    version = version_of(pod)
    return version in {wanted, wanted.removeprefix("v")} or _labels(pod).get(REVISION_LABEL) == wanted


def _labels(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}
