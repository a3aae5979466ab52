"""How a function on a cluster is reached from here: by its URL, an ingress, or the API server.

A cluster on one's own machine has a URL that no name server knows, and a cluster-local function has one
that leads nowhere from outside. The API server passes requests on to a Pod
(https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/): slower, and past
the platform's own routing, but to the very server that is to be asked.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from liteship.deploy.kubernetes.api.cluster import POD, SERVICE
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.smoke import over_http, parsed
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.runtime.golden import Ask

CONTAINER_PORT = 8080
"""The server's own, as the manifests name it."""

SERVICE_PORT = "http"
"""The name that the plain form's Service gives its port."""

REVISION_LABEL = "serving.knative.dev/revision"
SERVICE_LABEL = "serving.knative.dev/service"

KNOCK_TIMEOUT_S = 3.0
"""For a connection that shows whether an address can be reached from here."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a function answers.

    Attributes:
        url: What people see, such as `http://digits.default.example.com`.
        ask: Carries a request there.
        way: `directly`, `through the ingress http://…` or `through the API server`.
    """

    url: str
    ask: Ask
    way: str


def service_address(
    cluster: Cluster, service: Mapping[str, Any], *, ingress: str | None, tag: str | None = None
) -> Address:
    """Where a Knative Service answers, or one of its Revisions by its tag.

    Args:
        cluster: Where it stands.
        service: The live object.
        ingress: Where the cluster's ingress answers; None asks at the URL where that can be reached.
        tag: Of the Revision; None for whatever gets the traffic.

    Raises:
        ConfigurationError: `ingress-invalid`.
        DeploymentError: `url-missing`; the address' `ask`: `pods-missing`.
    """
    status = service.get("status") or {}
    targets = [each for each in status.get("traffic") or [] if tag is None or each.get("tag") == tag]
    url = status.get("url") if tag is None else next((each.get("url") for each in targets), None)
    if not url:
        name = service["metadata"]["name"]
        raise DeploymentError(
            "url-missing",
            f"Knative has no URL for {name}" + (f" under the tag {tag}" if tag else ""),
            hint=f"liteship versions {name} --on knative lists tags; kubectl describe ksvc {name} says "
            "what Knative waits for",
        )
    if not _is_local(url):
        if ingress is not None:
            way = f"through the ingress {ingress}"
            ask = over_http(require_ingress(ingress), host=urlsplit(url).netloc)
            return Address(url=url, ask=ask, way=way)
        if _answers(url):
            return Address(url=url, ask=over_http(url), way="directly")
    revisions = {
        each["revisionName"]
        for each in targets
        if each.get("revisionName") and (tag is not None or each.get("percent"))
    }
    ask = _through_pod(cluster, service["metadata"]["name"], revisions)
    return Address(url=url, ask=ask, way="through the API server")


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
    if url and _answers(url):
        return Address(url=url, ask=over_http(url), way="directly")

    def ask(method: str, path: str, body: bytes, content_type: str) -> dict[str, object]:
        try:
            status, content = cluster.ask_service(name, SERVICE_PORT, method, path, body, content_type)
        except ClusterError as error:
            raise _unless_refused(error) from error
        return parsed(content, status)

    inside = f"http://{name}.{cluster.namespace}.svc.cluster.local"
    return Address(url=url or inside, ask=ask, way="through the API server")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod takes requests."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _through_pod(cluster: Cluster, name: str, revisions: Collection[str]) -> Ask:
    def ask(method: str, path: str, body: bytes, content_type: str) -> dict[str, object]:
        try:
            pods = cluster.list(POD, {SERVICE_LABEL: name})
            pod = next(
                (
                    each["metadata"]["name"]
                    for each in pods
                    if is_ready(each) and each["metadata"]["labels"].get(REVISION_LABEL) in revisions
                ),
                None,
            )
            if pod is None:
                raise DeploymentError(
                    "pods-missing",
                    f"{name} has no Pod now that could be asked: it is scaled to zero, and its URL "
                    "cannot be reached from here",
                    hint="give --ingress with the address of the cluster's ingress; a request there "
                    "starts a Pod",
                )
            status, content = cluster.ask_pod(pod, CONTAINER_PORT, method, path, body, content_type)
        except ClusterError as error:
            raise _unless_refused(error) from error
        return parsed(content, status)

    return ask


def _unless_refused(error: ClusterError) -> Exception:
    """The error itself where asking again is of no use, else one that is asked again at."""
    return error if 400 <= error.status < 500 and error.status != 429 else OSError(error.message)


def _is_local(url: str) -> bool:
    """Whether it leads nowhere from outside: NAME.NAMESPACE.svc, and the cluster's own domain."""
    return (urlsplit(url).hostname or "").split(".")[2:3] == ["svc"]


def _answers(url: str) -> bool:
    """Whether somebody listens there. A name that nobody knows is an answer, too: no."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), KNOCK_TIMEOUT_S).close()
    except (OSError, UnicodeError):  # the latter: a name that is none
        return False
    return True


def require_ingress(ingress: str) -> str:
    """The address itself, if it is one of HTTP.

    Raises:
        ConfigurationError: `ingress-invalid`.
    """
    try:
        parts = urlsplit(ingress)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            "ingress-invalid",
            f"{ingress!r} is no address of an ingress",
            expected="scheme, host and port, such as http://127.0.0.1:31080",
            received=ingress,
            hint="correct --ingress or LITESHIP_INGRESS",
        )
    return ingress


def _balancer_url(service: Mapping[str, Any]) -> str:
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
