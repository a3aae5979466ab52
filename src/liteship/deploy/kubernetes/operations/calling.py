"""Sending one request to a function on a cluster, and its answer as it is."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from liteship.deploy.kubernetes.addresses import is_ready, service_address
from liteship.deploy.kubernetes.balancers import SERVICE_PORT, plain_address
from liteship.deploy.kubernetes.labels import CONTAINER_PORT, REVISION_LABEL
from liteship.deploy.kubernetes.manifests import START_ALLOWANCE_S
from liteship.deploy.kubernetes.operations.deployed import Form, list_pods
from liteship.deploy.kubernetes.traffic.revisions import find_revision, list_revisions, read_service
from liteship.errors import DeploymentError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.addresses import Address
    from liteship.deploy.kubernetes.api.cluster import Cluster

BY_API_SERVER = "through the API server"

NOT_SENT = frozenset({"host", "content-length", "connection", "transfer-encoding", "x-forwarded-for"})
"""Headers of an event that belong to its own way: this one has others."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """What is sent.

    Attributes:
        method: HTTP's.
        path: Quoted, with its query.
        body: May be empty.
        headers: By lower-case name. Through the API server only the content type is sent.
    """

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP's, whoever gave it.
        content: A JSON document where it is one, else its text.
        url: Where the function answers, as people see it.
        way: How it was asked.
    """

    status: int
    content: Any
    url: str
    way: str


def request_of(event: Any) -> HttpRequest:
    """The request that an HTTP event describes, payload version 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Raises:
        InputError: `event-kind`.
    """
    try:
        if event["version"] != "2.0":
            raise _no_request(f"version {event['version']!r:.40}")
        text = event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
        query = event.get("rawQueryString")
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        if event.get("cookies"):
            headers["cookie"] = "; ".join(event["cookies"])
        return HttpRequest(
            method=event["requestContext"]["http"]["method"].upper(),
            path=event["rawPath"] + (f"?{query}" if query else ""),
            body=body,
            headers={
                name: str(value) for name, value in headers.items() if value and name not in NOT_SENT
            },
        )
    except KeyError as error:
        raise _no_request(f"no {error.args[0]}") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise _no_request(str(error)) from error


def _no_request(received: str) -> InputError:
    return InputError(
        "event-kind",
        "on a cluster a function is asked by HTTP, and this event describes no request",
        expected="an HTTP event, payload version 2.0",
        received=received,
        hint="liteship event http --body FILE prints one; or give --image",
    )


def call(
    cluster: Cluster,
    name: str,
    form: Form,
    request: HttpRequest,
    *,
    timeout_s: float,
    ingress: str | None = None,
    version: str | None = None,
) -> Answer:
    """Sends one request, once, and waits for a Pod to start where none runs.

    Args:
        cluster: Where.
        name: The function.
        form: How it is deployed.
        request: What to send.
        timeout_s: How long the function may take, once it runs.
        ingress: Where the cluster's ingress answers.
        version: On Knative: this version or Revision, whether it has traffic or not.

    Raises:
        ConfigurationError: `ingress-invalid`.
        DeploymentError: `function-not-deployed`, `version-missing`, `pods-missing`,
            `invocation-failed`.
        ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
    """
    if form == "kubernetes":
        address = plain_address(cluster, name, ingress=ingress)
        if address.way == BY_API_SERVER:
            told = cluster.ask_service(name, SERVICE_PORT, *_words(request))
            return _answer(*told, address.url, address.way)
    else:
        service = read_service(cluster, name)
        revision = None
        if version is not None:
            revision = find_revision(list_revisions(cluster, name, service), version)
        if revision is not None and not revision.tag:  # which has no URL of its own
            return _ask_pod(cluster, name, {revision.name}, request, "")
        tag = revision.tag if revision else None
        address = service_address(cluster, service, ingress=ingress, tag=tag)
        if address.way == BY_API_SERVER:
            revisions = {revision.name} if revision else _revisions_with_traffic(service)
            return _ask_pod(cluster, name, revisions, request, address.url)
    told = _over_http(address, ingress, request, name, form, timeout_s + START_ALLOWANCE_S)
    return _answer(*told, address.url, address.way)


def _revisions_with_traffic(service: Mapping[str, Any]) -> set[str]:
    traffic = (service.get("status") or {}).get("traffic") or []
    return {each.get("revisionName") for each in traffic if each.get("percent")}


def _ask_pod(
    cluster: Cluster, name: str, revisions: set[str], request: HttpRequest, url: str
) -> Answer:
    """Asks a Pod of one of these Revisions by the API server.

    Args:
        cluster: Where.
        name: The function.
        revisions: Names.
        request: What to send.
        url: Where it would answer otherwise; empty where only its Pods can be asked.
    """
    for pod in reversed(list_pods(cluster, name, "knative")):
        if is_ready(pod) and pod["metadata"]["labels"].get(REVISION_LABEL) in revisions:
            pod_name = pod["metadata"]["name"]
            told = cluster.ask_pod(pod_name, CONTAINER_PORT, *_words(request))
            return _answer(*told, url or f"Pod {pod_name}", BY_API_SERVER)
    raise DeploymentError(
        "pods-missing",
        f"no Pod of {' or '.join(sorted(revisions)) or name} runs now, and no URL that can be reached "
        "from here starts one",
        hint="give --ingress with the address of the cluster's ingress"
        if url
        else f"give it traffic, and with it a URL: liteship traffic {name} --on knative",
    )


def _words(request: HttpRequest) -> tuple[str, str, bytes, str]:
    return request.method, request.path, request.body, request.headers.get("content-type", "")


def _over_http(
    address: Address, ingress: str | None, request: HttpRequest, name: str, form: Form, wait_s: float
) -> tuple[int, bytes]:
    host = urlsplit(address.url).netloc
    # The plain form's address is the ingress itself
    base = ingress if ingress is not None and address.way != "directly" else address.url
    sent = urllib.request.Request(  # noqa: S310  # a cluster's address, or the user's own
        f"{base.rstrip('/')}{request.path}",
        data=request.body or None,
        headers={**request.headers, "host": host},
        method=request.method,
    )
    try:
        with urllib.request.urlopen(sent, timeout=wait_s) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DeploymentError(
            "invocation-failed",
            f"{name} has not answered {address.way} at {address.url}",
            received=f"{reason} (waited for up to {wait_s:.0f} s)",
            hint=f"liteship logs {name} --on {form}; or give --ingress with the address of the "
            "cluster's ingress",
        ) from error


def _answer(status: int, content: bytes, url: str, way: str) -> Answer:
    try:
        found = json.loads(content)
    except ValueError:  # a function, and a proxy on the way, may answer anything
        found = content.decode(errors="replace")
    return Answer(status=status, content=found, url=url, way=way)
