"""How the plain form is reached from here: at its load balancer, an ingress, or by the API server."""

from __future__ import annotations

import http.client
import urllib.request
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.addresses import (
    KNOCK_TIMEOUT_S,
    Address,
    passed_on,
    require_ingress,
    unless_refused,
)
from liteship.deploy.kubernetes.api.cluster import SERVICE
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.smoke import over_http
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster

SERVICE_PORT = "http"
"""The name that the plain form's Service gives its port."""


def plain_address(cluster: Cluster, name: str, *, ingress: str | None) -> Address:
    """Where the plain form answers: at its load balancer, else by the API server.

    Args:
        cluster: Where it stands.
        name: The function's.
        ingress: An address that leads to the Service, instead of its load balancer's.

    Raises:
        ConfigurationError: `ingress-invalid`.
        DeploymentError: `service-missing`.
    """
    if ingress is not None:
        url = require_ingress(ingress)
        return Address(url=url, ask=over_http(url), way=f"through the ingress {ingress}")
    service = cluster.get(SERVICE, name)
    if service is None:
        raise DeploymentError(
            "service-missing",
            f"there is no Service {name} in the namespace {cluster.namespace}",
            hint=f"liteship deploy {name} --to kubernetes",
        )
    url = _balancer_url(service)
    if url and _serves(url):
        return Address(url=url, ask=over_http(url), way="directly")

    def ask(method: str, path: str, body: bytes, content_type: str) -> dict[str, object]:
        try:
            status, content = cluster.ask_service(name, SERVICE_PORT, method, path, body, content_type)
        except ClusterError as error:
            raise unless_refused(error) from error
        return passed_on(status, content)

    inside = f"http://{name}.{cluster.namespace}.svc.cluster.local"
    remark = _why_not_directly(service, url)
    return Address(url=url or inside, ask=ask, way="through the API server", remark=remark)


def _serves(url: str) -> bool:
    """Whether a function answers there.

    A balancer that does not know yet that its Pods are healthy may take connections, and end them.
    """
    try:
        question = f"{url}/health/live"
        with urllib.request.urlopen(question, timeout=KNOCK_TIMEOUT_S) as answer:  # noqa: S310  # HTTP
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException, UnicodeError):
        return False


def _why_not_directly(service: Mapping[str, Any], url: str) -> str:
    if service["spec"].get("type") != "LoadBalancer":
        return ""
    name = service["metadata"]["name"]
    if url:
        return f"the load balancer {url} does not answer here yet: a new one takes some minutes"
    return (
        f"the load balancer has no address yet: kubectl get service {name} --watch shows when it has; "
        "a cluster on your own machine gives none by itself (minikube tunnel, cloud-provider-kind)"
    )


def _balancer_url(service: Mapping[str, Any]) -> str:
    if service["spec"].get("type") != "LoadBalancer":
        return ""
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    ingress: dict[str, Any] = next(iter(balancer.get("ingress") or []), {})
    host = ingress.get("ip") or ingress.get("hostname") or ""
    if not host:
        return ""
    if ":" in host:
        host = f"[{host}]"
    # The balancer's own word for where the Service's one port is, if it has one
    port = ((ingress.get("ports") or []) + service["spec"]["ports"])[0]["port"]
    return f"http://{host}" + ("" if port == 80 else f":{port}")
