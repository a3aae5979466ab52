"""How a function on a cluster is reached from here: by its URL, an ingress, or the API server.

A cluster on one's own machine has a URL that no name server knows, and a cluster-local function has one
that leads nowhere from outside. The API server passes requests on to a Pod
(https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/): slower, and past
the platform's own routing, but to the very server that is to be asked.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from liteship.deploy.kubernetes.api.cluster import POD
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.api.statuses import read_status
from liteship.deploy.kubernetes.labels import CONTAINER_PORT, REVISION_LABEL, SERVICE_LABEL
from liteship.deploy.kubernetes.traffic.revisions import condition
from liteship.deploy.smoke import over_http, parsed
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.runtime.golden import Ask


UNREACHED = "error trying to reach service"
"""How the API server begins when it has to answer for a Pod
(https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/proxy/transport.go)."""

KNOCK_TIMEOUT_S = 3.0
"""For a connection that shows whether an address can be reached from here."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a function answers.

    Attributes:
        url: What people see, such as `http://digits.default.example.com`.
        ask: Carries a request there.
        way: `directly`, `through the ingress http://…` or `through the API server`.
        remark: Why it is not asked where callers would, in a sentence; empty where there is nothing to
            say.
    """

    url: str
    ask: Ask
    way: str
    remark: str = ""


def service_address(
    cluster: Cluster, service: Mapping[str, Any], *, ingress: str | None, tag: str | None = None
) -> Address:
    """Where a Knative Service answers, or one of its Revisions by its tag.

    Args:
        cluster: Where it stands.
        service: The live object.
        ingress: Where the cluster's ingress answers; None asks at the URL where that can be reached.
            For a URL inside the cluster, the ingress that is meant for those.
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
    host, is_local = urlsplit(url).netloc, _is_local(url)
    if ingress is not None and (not is_local or _routes(require_ingress(ingress), host)):
        way = f"through the ingress {ingress}"
        return Address(url=url, ask=over_http(require_ingress(ingress), host=host), way=way)
    if not is_local and _answers(url):
        return Address(url=url, ask=over_http(url), way="directly")
    revisions = {
        each["revisionName"]
        for each in targets
        if each.get("revisionName") and (tag is not None or each.get("percent"))
    }
    hint = (
        "requests from inside the cluster start one; for a route from outside, give Knative a domain "
        '(config-domain), and the function visibility = "public"'
        if is_local
        else "give --ingress with the address of the cluster's ingress; a request there starts a Pod"
    )
    ask = _through_pod(cluster, service["metadata"]["name"], revisions, hint)
    return Address(url=url, ask=ask, way="through the API server")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod takes requests."""
    ready = condition(pod, "Ready").get("status") == "True"
    return ready and "deletionTimestamp" not in pod["metadata"]


def _through_pod(cluster: Cluster, name: str, revisions: Collection[str], hint: str) -> Ask:
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
                    hint=hint,
                )
            status, content = cluster.ask_pod(pod, CONTAINER_PORT, method, path, body, content_type)
        except ClusterError as error:
            raise unless_refused(error) from error
        return passed_on(status, content)

    return ask


def passed_on(status: int, content: bytes) -> dict[str, object]:
    """What a Pod answers.

    Raises:
        OSError: It is the API server that answers, as it cannot reach the Pod: where its network is
            another one, such as a managed control plane's, a firewall may stand between.
    """
    own = read_status(status, content) if status >= 500 else None
    if own is not None and UNREACHED in own.message:
        raise OSError(
            f"{own.message} (the API server cannot reach port {CONTAINER_PORT} of the Pod: "
            "let it through the firewall between them, or give --ingress with an address of its own)"
        )
    return parsed(content, status)


def unless_refused(error: ClusterError) -> Exception:
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


def _routes(ingress: str, host: str) -> bool:
    """Whether an ingress knows a host. Where it does not, Envoy answers 404 without a word.

    A Knative without a domain of its own names all its Services inside the cluster alone
    (https://knative.dev/docs/serving/using-a-custom-domain/), and has another ingress for those.
    """
    url = f"{ingress.rstrip('/')}/health/live"
    request = urllib.request.Request(url, headers={"host": host})  # noqa: S310  # the user's own
    try:
        with urllib.request.urlopen(request, timeout=KNOCK_TIMEOUT_S):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code != 404 or bool(error.read())
    except TimeoutError:  # connected, and a Pod starts
        return True
    except (OSError, http.client.HTTPException):
        return False


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
