"""The kinds that the stand-in knows, and where their REST paths are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, JSON-ready."""

Key = tuple[str, str, str, str]
"""Group and version, kind, namespace (empty for what is in none), name."""

KNATIVE_GROUP = "serving.knative.dev"
KNATIVE = f"{KNATIVE_GROUP}/v1"


@dataclass(frozen=True)
class Resource:
    """One kind: the group and version, its name, and its name in paths."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def qualified(self) -> str:
        """As the API server's messages name it: `services.serving.knative.dev`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def key(self, namespace: str, name: str) -> Key:
        """Where the store keeps an object."""
        return self.api_version, self.kind, namespace if self.namespaced else "", name


NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
POD = Resource("v1", "Pod", "pods")
SERVICE = Resource("v1", "Service", "services")
EVENT = Resource("v1", "Event", "events")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
REPLICA_SET = Resource("apps/v1", "ReplicaSet", "replicasets")
KNATIVE_SERVICE = Resource(KNATIVE, "Service", "services")
CONFIGURATION = Resource(KNATIVE, "Configuration", "configurations")
REVISION = Resource(KNATIVE, "Revision", "revisions")
ROUTE = Resource(KNATIVE, "Route", "routes")

RESOURCES = (
    NAMESPACE,
    POD,
    SERVICE,
    EVENT,
    Resource("v1", "ConfigMap", "configmaps"),
    Resource("v1", "Secret", "secrets"),
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    REPLICA_SET,
    Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    KNATIVE_SERVICE,
    CONFIGURATION,
    REVISION,
    ROUTE,
)

_BY_KIND = {(each.api_version, each.kind): each for each in RESOURCES}


def resource_of(thing: Object) -> Resource:
    """The kind of an object."""
    return _BY_KIND[thing["apiVersion"], thing["kind"]]


def key_of(thing: Object) -> Key:
    """Where the store keeps an object."""
    metadata = thing["metadata"]
    return resource_of(thing).key(metadata.get("namespace", ""), metadata["name"])
