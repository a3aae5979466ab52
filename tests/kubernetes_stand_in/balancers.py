"""Services: who is behind one, and an address of this machine for each load balancer."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.forwarding import forward, read_body
from tests.kubernetes_stand_in.kinds import POD, SERVICE, key_of
from tests.kubernetes_stand_in.pod_status import is_ready
from tests.kubernetes_stand_in.serving import serve, stop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.kubelet import Kubelet
    from tests.kubernetes_stand_in.store import Store

MOST_ADDRESSES = 200


class LoadBalancers:
    """Gives each Service of type LoadBalancer an address, and answers there."""

    def __init__(self, store: Store, kubelet: Kubelet, faults: Faults) -> None:
        self._store = store
        self._kubelet = kubelet
        self._faults = faults
        self._turn = 0
        self._servers: dict[tuple[str, str], ThreadingHTTPServer] = {}

    def sync(self) -> None:
        """Writes the addresses."""
        services = {}
        for service in self._store.of(SERVICE):
            metadata = service["metadata"]
            if service["spec"].get("type") == "LoadBalancer" and not self._faults.pending_addresses:
                services[metadata["namespace"], metadata["name"]] = service
        for key in set(self._servers) - set(services):
            stop(self._servers.pop(key))
        for key, service in services.items():
            if key not in self._servers:
                self._servers[key] = self._open(service)
            address = self._servers[key].server_address[0]

            def write(thing: Object, address: object = address) -> None:
                thing["status"] = {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}

            self._store.edit(key_of(service), write)

    def url(self, namespace: str, name: str) -> str:
        """Where a Service really answers."""
        host, port = self._servers[namespace, name].server_address[:2]
        return f"http://{host!s}:{port}"

    def pick(self, namespace: str, selector: Mapping[str, str]) -> Object | None:
        """The next ready Pod with these labels."""
        pods = [pod for pod in self._store.selected(POD, namespace, selector) if is_ready(pod)]
        self._turn += 1
        return pods[self._turn % len(pods)] if pods else None

    def close(self) -> None:
        """Ends every server."""
        for server in self._servers.values():
            stop(server)

    def _open(self, service: Object) -> ThreadingHTTPServer:
        """On the Service's own port where that may be opened, on an address that nobody has yet."""
        namespace, selector = service["metadata"]["namespace"], service["spec"].get("selector", {})

        def answer(handler: BaseHTTPRequestHandler) -> None:
            body = read_body(handler)
            port = self._kubelet.port(self.pick(namespace, selector))
            try:
                forward(handler, port, handler.path, body, handler.headers.get("host", ""))
            except (OSError, http.client.HTTPException):
                handler.close_connection = True  # a balancer of connections has no answers

        wanted = service["spec"]["ports"][0]["port"]
        place = os.getpid()
        for number in range(1, MOST_ADDRESSES):
            try:
                return serve(answer, f"127.{100 + place % 100}.{place // 100 % 250}.{number}", wanted)
            except PermissionError:
                break
            except OSError:  # another balancer is there
                continue
        return serve(answer)
