"""Knative's ingresses, the one outside and the one inside the cluster, and its activator."""

from __future__ import annotations

import http.client
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.kubernetes_stand_in.forwarding import forward, read_body, send
from tests.kubernetes_stand_in.kinds import REVISION, ROUTE
from tests.kubernetes_stand_in.pod_status import is_ready
from tests.kubernetes_stand_in.serving import serve

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.knative_revisions import Revisions
    from tests.kubernetes_stand_in.kubelet import Kubelet
    from tests.kubernetes_stand_in.store import Store

HOLDS_FOR_S = 60.0
"""How long a request waits for a Pod; Knative's activator waits for the Revision's timeout."""

TEXT = [("content-type", "text/plain; charset=utf-8")]


class Ingress:
    """Routes by Host header, divides by percent, and holds requests while a Pod starts."""

    def __init__(self, store: Store, revisions: Revisions, kubelet: Kubelet) -> None:
        self._store = store
        self._revisions = revisions
        self._kubelet = kubelet
        self._counts: dict[tuple[str, str], dict[str, int]] = {}
        self._turn = 0
        self.server = serve(self._answer)
        self.server_inside = serve(partial(self._answer, inside=True))

    def _answer(self, handler: BaseHTTPRequestHandler, *, inside: bool = False) -> None:
        body = read_body(handler)
        host = handler.headers.get("host", "").partition(":")[0].lower()
        with self._store.changed:
            revision = self._revision_for(host, inside=inside)
        if revision is None:
            send(handler, 404, b"", [])  # as Envoy does
            return
        pod = self._wait_for_pod(revision)
        if pod is None:
            send(handler, 503, b"activator overload", TEXT)
            return
        try:
            forward(handler, self._kubelet.port(pod), handler.path, body, host)
        except (OSError, http.client.HTTPException) as error:
            text = f"upstream connect error or disconnect/reset before headers: {error}"
            send(handler, 503, text.encode(), TEXT)
        self._revisions.touch(revision)

    def _revision_for(self, host: str, *, inside: bool) -> Object | None:
        """By the URLs in status; cluster-local ones are not reached from outside."""
        for route in self._store.of(ROUTE):
            status, namespace = route["status"], route["metadata"]["namespace"]
            traffic = status.get("traffic", [])
            name = None
            if inside or not host.endswith(".svc.cluster.local"):
                if urlsplit(status.get("url", "")).netloc == host and traffic:
                    name = self._divided((namespace, host), traffic)
                tagged = [each for each in traffic if urlsplit(each.get("url", "")).netloc == host]
                name = tagged[0]["revisionName"] if tagged else name
            if name is not None:
                return self._store.get(REVISION.key(namespace, name))
        return None

    def _divided(self, key: tuple[str, str], traffic: list[Object]) -> str:
        """Of the Revisions, the one that is furthest behind its percentage: exact in each 100."""
        percents: dict[str, int] = {}
        for each in traffic:
            name = each["revisionName"]
            percents[name] = percents.get(name, 0) + (each.get("percent") or 0)
        behind = self._counts.get(key, {})
        if set(behind) != set(percents):
            behind = dict.fromkeys(percents, 0)
        for name, percent in percents.items():
            behind[name] += percent
        chosen = max(behind, key=behind.__getitem__)
        behind[chosen] -= 100
        self._counts[key] = behind
        return chosen

    def _wait_for_pod(self, revision: Object) -> Object | None:
        deadline = time.monotonic() + HOLDS_FOR_S
        self._revisions.touch(revision)
        with self._store.changed:
            while time.monotonic() < deadline:
                pods = [pod for pod in self._revisions.pods(revision) if is_ready(pod)]
                if pods:
                    self._turn += 1
                    return pods[self._turn % len(pods)]
                self._store.changed.wait(0.5)
                self._revisions.touch(revision)
        return None
