"""Where a function is asked, as its objects say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from liteship.deploy.kubernetes.addresses import (
    _is_local,
    passed_on,
    service_address,
)
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from liteship.deploy.kubernetes.api.cluster import Cluster

NOBODY = cast("Cluster", None)
INGRESS = "http://127.0.0.1:31080"

SERVICE: dict[str, Any] = {
    "metadata": {"name": "digits"},
    "status": {
        "url": "http://digits.default.example.com",
        "traffic": [
            {"revisionName": "digits-v1", "percent": 100},
            {
                "revisionName": "digits-v2",
                "percent": 0,
                "tag": "v2",
                "url": "http://v2-digits.default.example.com",
            },
        ],
    },
}


def test_through_an_ingress_the_url_stays_what_people_see() -> None:
    address = service_address(NOBODY, SERVICE, ingress=INGRESS)
    assert address.url == "http://digits.default.example.com"
    assert address.way == f"through the ingress {INGRESS}"
    assert service_address(NOBODY, SERVICE, ingress=INGRESS, tag="v2").url.startswith("http://v2-")


def test_a_function_of_the_cluster_alone_is_asked_through_its_api_server() -> None:
    status = SERVICE["status"] | {"url": "http://digits.default.svc.cluster.local"}
    address = service_address(NOBODY, {**SERVICE, "status": status}, ingress=INGRESS)
    assert address.way == "through the API server"


@pytest.mark.parametrize(("service", "tag"), [({**SERVICE, "status": {}}, None), (SERVICE, "v7")])
def test_a_url_that_is_not_there_is_told(service: dict[str, Any], tag: str | None) -> None:
    with pytest.raises(DeploymentError) as raised:
        service_address(NOBODY, service, ingress=None, tag=tag)
    assert raised.value.reference == "url-missing"


@pytest.mark.parametrize("ingress", ["127.0.0.1:31080", "ftp://host", "http://", "http://host:99999"])
def test_what_is_no_address_is_refused(ingress: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        service_address(NOBODY, SERVICE, ingress=ingress)
    assert raised.value.reference == "ingress-invalid"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://digits.default.svc.cluster.local", True),
        ("http://v2-digits.default.svc.example.org", True),
        ("http://digits.default.example.com", False),
        ("http://digits.svc.example.com", False),
    ],
)
def test_addresses_inside_a_cluster_are_known(url: str, local: bool) -> None:
    assert _is_local(url) == local


def test_an_api_server_that_cannot_reach_a_pod_is_no_answer_of_the_function() -> None:
    said = "error trying to reach service: dial tcp 10.0.0.5:8080: i/o timeout"
    status = {"kind": "Status", "apiVersion": "v1", "message": said, "code": 503}
    with pytest.raises(OSError, match=r"10\.0\.0\.5:8080: i/o timeout.*firewall"):
        passed_on(503, json.dumps(status).encode())
    assert passed_on(503, b'{"error": "not ready"}') == {"error": "not ready"}
    assert passed_on(200, b'{"ready": true}') == {"ready": True}
