"""The kinds of objects that liteship asks a cluster for, and where its API server has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of object.

    Args:
        api_version: Such as `serving.knative.dev/v1`.
        kind: Such as `Service`.
        plural: Its name in addresses and permissions: `services`.
        namespaced: Whether its objects are in namespaces.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def resource(self) -> str:
        """As permissions name it: `services.serving.knative.dev`."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural


KNATIVE_SERVICE = Kind(api_version="serving.knative.dev/v1", kind="Service", plural="services")
REVISION = Kind(api_version="serving.knative.dev/v1", kind="Revision", plural="revisions")
DEPLOYMENT = Kind(api_version="apps/v1", kind="Deployment", plural="deployments")
REPLICA_SET = Kind(api_version="apps/v1", kind="ReplicaSet", plural="replicasets")
SERVICE = Kind(api_version="v1", kind="Service", plural="services")
AUTOSCALER = Kind(
    api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
)
DISRUPTION_BUDGET = Kind(
    api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets"
)
NETWORK_POLICY = Kind(
    api_version="networking.k8s.io/v1", kind="NetworkPolicy", plural="networkpolicies"
)
POD = Kind(api_version="v1", kind="Pod", plural="pods")
NAMESPACE = Kind(api_version="v1", kind="Namespace", plural="namespaces", namespaced=False)
EVENT = Kind(api_version="v1", kind="Event", plural="events")


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind that a manifest names, in a namespace; the plural is made as kubectl guesses it.

    For all kinds that liteship renders the guess is right
    (https://pkg.go.dev/k8s.io/apimachinery/pkg/api/meta#UnsafeGuessKindToResource).

    Args:
        manifest: With `apiVersion` and `kind`.
    """
    name = str(manifest["kind"])
    lower = name.lower()
    if lower.endswith("s"):
        plural = f"{lower}es"
    elif lower.endswith("y"):
        plural = f"{lower[:-1]}ies"
    else:
        plural = f"{lower}s"
    return Kind(api_version=str(manifest["apiVersion"]), kind=name, plural=plural)
