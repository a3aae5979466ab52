"""The API server: REST in front of the store."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.kubernetes_stand_in.forwarding import forward, read_body, send
from tests.kubernetes_stand_in.kinds import KNATIVE_GROUP, POD, RESOURCES
from tests.kubernetes_stand_in.reading import Dropped, Reader
from tests.kubernetes_stand_in.requests import Query, parse
from tests.kubernetes_stand_in.serving import serve
from tests.kubernetes_stand_in.statuses import Refusal, not_found, unavailable
from tests.kubernetes_stand_in.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from threading import Event

    from tests.kubernetes_stand_in.balancers import LoadBalancers
    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.kubelet import Kubelet
    from tests.kubernetes_stand_in.store import Store

JSON = [("content-type", "application/json")]

VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64"}


class ApiServer:
    """Answers requests.

    Attributes:
        requests: What came in: method, path and query.
        server: Where it listens.
    """

    def __init__(
        self, store: Store, kubelet: Kubelet, balancers: LoadBalancers, faults: Faults, ended: Event
    ) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self._store = store
        self._kubelet = kubelet
        self._balancers = balancers
        self._faults = faults
        self._writer = Writer(store, faults)
        self._reader = Reader(store, kubelet, faults, ended)
        self.server = serve(self._answer)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = read_body(handler)
        parts = urlsplit(handler.path)
        self.requests.append((handler.command, parts.path, parts.query))
        if self._faults.take("refuse_connections"):
            handler.close_connection = True
            return
        try:
            self._faults.before_anything()
            if (found := self._discovery(parts.path)) is not None:
                _send_json(handler, 200, found)
                return
            query = parse(handler.command, handler.path)
            if query is None or self._is_missing(query):
                text = [("content-type", "text/plain; charset=utf-8")]
                send(handler, 404, b"404 page not found\n", text)
                return
            self._faults.check_rights(
                query.verb, query.resource, query.namespace, query.name, query.subresource
            )
            query.check()
            self._run(handler, query, body)
        except Refusal as refusal:
            after = refusal.retry_after_s
            headers = [] if after is None else [("retry-after", str(after))]
            _send_json(handler, refusal.code, refusal.status, headers)
        except Dropped:
            handler.close_connection = True

    def _is_missing(self, query: Query) -> bool:
        """Whether the kind's group is not installed."""
        missing = self._faults.no_knative and query.resource.group == KNATIVE_GROUP
        self._faults.happened["no_knative"] += missing
        return missing

    def _run(self, handler: BaseHTTPRequestHandler, query: Query, body: bytes) -> None:
        if query.subresource == "proxy":
            self._proxy(handler, query, body)
        elif query.subresource == "log":
            _send_lines(handler, self._reader.log(query), "text/plain")
        elif query.is_on("watch"):
            _send_lines(handler, self._reader.watch(query), "application/json")
        elif query.method == "GET":
            _send_json(handler, 200, self._get(query))
        else:
            agent = handler.headers.get("user-agent", "unknown")
            if query.method == "PATCH":
                content_type = handler.headers.get("content-type", "").partition(";")[0]
                done = self._writer.patch(query, content_type, body, agent)
            elif query.method == "POST":
                done = self._writer.create(query, body, agent)
            elif query.method == "PUT":
                done = self._writer.update(query, body, agent)
            else:
                done = self._writer.delete(query)
            _send_json(handler, *done)

    def _get(self, query: Query) -> Object:
        if query.name:
            thing = self._store.get(query.key)
            if thing is None:
                raise not_found(query.resource, query.name)
            return thing
        return self._list(query)

    def _list(self, query: Query) -> Object:
        """A collection, in pages where the query wants them."""
        with self._store.changed:
            found = [thing for thing in self._store.of(query.resource) if query.selects(thing)]
            metadata: Object = {"continue": "", "resourceVersion": str(self._store.version)}
        start = int(query.options.get("continue") or 0)
        end = start + (int(query.options.get("limit") or 0) or len(found))
        if end < len(found):
            metadata |= {"continue": str(end), "remainingItemCount": len(found) - end}
        items = found[start:end]
        if query.resource.group != KNATIVE_GROUP:  # custom resources alone say theirs
            items = [
                {name: value for name, value in thing.items() if name not in {"apiVersion", "kind"}}
                for thing in items
            ]
        return {
            "kind": f"{query.resource.kind}List",
            "apiVersion": query.resource.api_version,
            "metadata": metadata,
            "items": items,
        }

    def _proxy(self, handler: BaseHTTPRequestHandler, query: Query, body: bytes) -> None:
        """https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls."""
        name, _, port = query.name.removeprefix("http:").partition(":")
        thing = self._store.get(query.resource.key(query.namespace, name))
        if thing is None:
            raise not_found(query.resource, name)
        pod: Object | None = thing
        if query.resource != POD:
            pod = self._balancers.pick(query.namespace, thing["spec"].get("selector", {"": ""}))
            if pod is None:
                raise unavailable(f'no endpoints available for service "{name}"')
            port = _target_port(thing, port, pod)
        assert pod is not None
        wanted = port or str(_ports(pod)[0])
        is_served = int(wanted) in _ports(pod)
        try:
            real = self._kubelet.port(pod) if is_served else 0
            forward(handler, real, query.rest, body, f"127.0.0.1:{wanted}")
        except (OSError, http.client.HTTPException) as error:
            at = f"dial tcp {pod.get('status', {}).get('podIP', '')}:{wanted}: connect: "
            raise unavailable(f"error trying to reach service: {at}connection refused") from error

    def _discovery(self, path: str) -> Object | None:
        versions = sorted({each.api_version for each in RESOURCES})
        if self._faults.no_knative:
            versions = [each for each in versions if not each.startswith(KNATIVE_GROUP)]
        groups = {each.partition("/")[0]: each for each in versions if "/" in each}
        trimmed = path.rstrip("/")
        if trimmed == "/version":
            return VERSION
        if trimmed == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if trimmed == "/apis":
            listed = [_group(name, version) for name, version in groups.items()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        version = trimmed.removeprefix("/apis/") if trimmed != "/api/v1" else "v1"
        if version in groups:
            found = {"kind": "APIGroup", "apiVersion": "v1"}
            return found | _group(version, groups[version])
        if version not in versions:
            return None
        listed = [
            {
                "name": each.plural,
                "singularName": each.kind.lower(),
                "namespaced": each.namespaced,
                "kind": each.kind,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            }
            for each in RESOURCES
            if each.api_version == version
        ]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": listed,
        }


def _group(name: str, version: str) -> Object:
    shown = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": name, "versions": [shown], "preferredVersion": shown}


def _ports(pod: Object) -> list[int]:
    """Those that the user's container listens on; Knative's queue-proxy listens for it on 8012."""
    container = pod["spec"]["containers"][0]
    listed = [each["containerPort"] for each in container.get("ports", [])] or [8080]
    return [*listed, 8012] if len(pod["spec"]["containers"]) > 1 else listed


def _target_port(service: Object, wanted: str, pod: Object) -> str:
    for port in service["spec"]["ports"]:
        if wanted in {"", str(port["port"]), port.get("name", "")}:
            target = port["targetPort"]
            named = {
                each.get("name"): each["containerPort"]
                for each in pod["spec"]["containers"][0].get("ports", [])
            }
            return str(named.get(target, target))
    raise unavailable(f'no service port "{wanted}" found for service "{service["metadata"]["name"]}"')


def _send_json(
    handler: BaseHTTPRequestHandler, code: int, thing: Any, headers: list[tuple[str, str]] | None = None
) -> None:
    send(handler, code, json.dumps(thing).encode() + b"\n", [*JSON, *(headers or [])])


def _send_lines(handler: BaseHTTPRequestHandler, lines: Iterator[bytes], content_type: str) -> None:
    """In chunks, as they come."""
    handler.send_response_only(200)
    handler.send_header("content-type", content_type)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    handler.wfile.flush()
    for line in lines:
        handler.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")
