"""Where the plain form's load balancer is, and whether it answers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from liteship.deploy.kubernetes.balancers import _balancer_url, _serves


@pytest.mark.parametrize(
    ("ingress", "url"),
    [
        ([{"ip": "192.0.2.1"}], "http://192.0.2.1"),
        ([{"hostname": "lb.example.com"}], "http://lb.example.com"),
        ([{"ip": "2001:db8::1", "ports": [{"port": 8080}]}], "http://[2001:db8::1]:8080"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_load_balancers_address(ingress: Any, url: str) -> None:
    service = {
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    assert _balancer_url(service) == url


def test_what_is_left_of_a_load_balancer_is_no_address() -> None:
    service = {
        "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }
    assert _balancer_url(service) == ""


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.close_connection = True


class Living(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is given
        pass


@pytest.mark.parametrize(("handler", "serves"), [(Refusing, False), (Living, True)])
def test_a_load_balancer_has_to_answer_and_not_only_to_listen(
    handler: type[BaseHTTPRequestHandler], serves: bool
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert _serves(f"http://127.0.0.1:{server.server_port}") == serves
        server.shutdown()
