"""The client against a server: what it asks for, what it repeats, how it tells what goes wrong."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from tests.integration.kubernetes.scripted import (
    Server,
    answer,
    as_json,
    events,
    item,
    listed,
    raw,
    silence,
    status,
    stream,
    write_kubeconfig,
)

from liteship.deploy.kubernetes.api import connection, watching
from liteship.deploy.kubernetes.api.cluster import (
    DEPLOYMENT,
    KNATIVE_SERVICE,
    NAMESPACE,
    POD,
    SERVICE,
    Cluster,
    ClusterError,
    Kind,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.kubernetes.scripted import Answer

MANIFEST = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "digits"},
    "spec": {"template": {}},
}
SERVICES = "/apis/serving.knative.dev/v1/namespaces/shop/services"


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Cluster, Server]]]:
    """Starts a server with these answers, and a client for it."""
    for module in (connection, watching):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
        monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)
    with contextlib.ExitStack() as stack:

        def begin(*answers: Answer) -> tuple[Cluster, Server]:
            server = stack.enter_context(Server(list(answers)))
            path = write_kubeconfig(tmp_path / "config", server.url, user={"token": "s3cret"})
            monkeypatch.setenv("KUBECONFIG", str(path))
            return stack.enter_context(Cluster(namespace="shop")), server

        yield begin


@pytest.fixture(autouse=True)
def timeouts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[urllib3.Timeout]]:
    """The timeouts of all requests, each of which has both."""
    seen: list[urllib3.Timeout] = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def watched(pool: Any, *arguments: Any, **settings: Any) -> Any:
        seen.append(settings["timeout"])
        return urlopen(pool, *arguments, **settings)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", watched)
    yield seen
    for timeout in seen:
        assert timeout.connect_timeout, "a request without a limit for connecting"
        assert timeout.read_timeout, "a request without a limit for reading"


def test_every_way_of_asking_has_a_timeout(
    start: Callable[..., tuple[Cluster, Server]], timeouts: list[urllib3.Timeout]
) -> None:
    cluster, server = start(as_json({}))
    ways: list[Callable[[], object]] = [
        lambda: cluster.serves("apps/v1"),
        cluster.require_namespace,
        lambda: cluster.get(POD, "a"),
        lambda: cluster.list(POD),
        lambda: cluster.apply(MANIFEST),
        lambda: cluster.delete(POD, "a"),
        lambda: cluster.ask_pod("a", 8080, "GET", "/"),
        lambda: cluster.ask_service("a", "http", "GET", "/"),
        lambda: list(cluster.logs("a", "b", follow=True)),
        lambda: list(cluster.watch(POD, "a", timeout_s=0.05)),
    ]
    for ask in ways:
        before = len(timeouts)
        ask()
        assert len(timeouts) > before
    assert len(timeouts) == len(server.received)


class TestReading:
    def test_an_object_is_asked_for_by_name(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(as_json(item("1")))
        assert cluster.get(KNATIVE_SERVICE, "digits") == item("1")
        (received,) = server.received
        assert (received.method, received.path) == ("GET", f"{SERVICES}/digits")
        assert received.headers["authorization"] == "Bearer s3cret"

    def test_what_is_not_there_is_none(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        missing = {
            "kind": "Status",
            "reason": "NotFound",
            "message": 'services.serving.knative.dev "digits" not found',
            "details": {"name": "digits", "group": "serving.knative.dev", "kind": "services"},
        }
        cluster, _ = start(as_json(missing, 404))
        assert cluster.get(KNATIVE_SERVICE, "digits") is None
        assert cluster.delete(KNATIVE_SERVICE, "digits") is False

    def test_a_kind_that_is_not_there_is_no_missing_object(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, _ = start(answer(404, b"404 page not found\n"))
        with pytest.raises(ClusterError) as refused:
            cluster.get(KNATIVE_SERVICE, "digits")
        assert refused.value.reference == "api-missing"
        with pytest.raises(ClusterError):
            cluster.delete(KNATIVE_SERVICE, "digits")

    @pytest.mark.parametrize(
        ("given", "served"),
        [
            (as_json({"kind": "APIResourceList"}), True),
            (answer(404, b"404 page not found\n"), False),
            (status(404, "NotFound", "the server could not find the requested resource"), False),
        ],
    )
    def test_serves_tells_whether_a_group_is_there(
        self, start: Callable[..., tuple[Cluster, Server]], given: Answer, served: bool
    ) -> None:
        cluster, server = start(given)
        assert cluster.serves("serving.knative.dev/v1") is served
        assert cluster.serves("v1") is served
        paths = [received.path for received in server.received]
        assert paths == ["/apis/serving.knative.dev/v1", "/api/v1"]

    def test_serves_does_not_take_a_stranger_for_a_cluster_without_the_group(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, _ = start(answer(404, b"<h1>Not Found</h1>", "text/html"))
        with pytest.raises(ClusterError) as refused:
            cluster.serves("serving.knative.dev/v1")
        assert refused.value.reference == "cluster-refused"

    def test_a_list_is_read_in_pages(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(listed(item("1"), more="next"), listed(item("2")))
        found = cluster.list(POD, {"app": "digits", "tier": "web"}, fields={"spec.nodeName": "a"})
        head = {"apiVersion": "v1", "kind": "Pod"}
        assert found == [head | item("1"), head | item("2")]
        begun, continued = server.received
        assert begun.path == "/api/v1/namespaces/shop/pods"
        assert begun.query["labelSelector"] == "app=digits,tier=web"
        assert begun.query["fieldSelector"] == "spec.nodeName=a"
        assert continued.query == begun.query | {"continue": "next"}

    def test_a_list_whose_pages_expire_begins_again(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(
            listed(item("1"), more="next"), status(410, "Expired"), listed(item("1"), item("2"))
        )
        assert [found["metadata"]["resourceVersion"] for found in cluster.list(POD)] == ["1", "2"]
        assert "limit" not in server.received[-1].query

    def test_a_namespace_is_required(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        missing = {
            "kind": "Status",
            "reason": "NotFound",
            "message": 'namespaces "shop" not found',
            "details": {"name": "shop", "kind": "namespaces"},
        }
        cluster, server = start(as_json(missing, 404), status(403, "Forbidden"), as_json({}))
        with pytest.raises(ClusterError) as refused:
            cluster.require_namespace()
        assert refused.value.reference == "namespace-missing"
        cluster.require_namespace()  # who may not read it may still use it
        cluster.require_namespace()
        assert {received.path for received in server.received} == {"/api/v1/namespaces/shop"}

    def test_a_namespace_that_goes_is_missing(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, _ = start(as_json({"status": {"phase": "Terminating"}}))
        with pytest.raises(ClusterError) as refused:
            cluster.require_namespace()
        assert refused.value.reference == "namespace-missing"

    def test_names_cannot_lead_elsewhere(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(as_json({}))
        cluster.get(NAMESPACE, "../pods?x=1#y")
        assert server.received[0].path == "/api/v1/namespaces/..%2Fpods%3Fx%3D1%23y"


class TestApply:
    def test_it_is_a_server_side_apply(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(as_json(item("7")))
        assert cluster.apply(MANIFEST) == item("7")
        (received,) = server.received
        assert (received.method, received.path) == ("PATCH", f"{SERVICES}/digits")
        assert received.headers["content-type"] == "application/apply-patch+yaml"
        assert received.query == {"fieldManager": "liteship", "fieldValidation": "Strict"}
        assert json.loads(received.body) == MANIFEST

    def test_its_options_are_passed_on(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(as_json(item("7")))
        cluster.apply(MANIFEST, manager="liteship-traffic", dry_run=True, force=True)
        assert server.received[0].query == {
            "fieldManager": "liteship-traffic",
            "fieldValidation": "Strict",
            "dryRun": "All",
            "force": "true",
        }

    def test_deleting_takes_what_belongs_to_it_along(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(as_json({"kind": "Status", "status": "Success"}))
        assert cluster.delete(DEPLOYMENT, "digits") is True
        (received,) = server.received
        assert received.method == "DELETE"
        assert received.path == "/apis/apps/v1/namespaces/shop/deployments/digits"
        assert received.query == {"propagationPolicy": "Background"}

    @pytest.mark.parametrize(
        ("api_version", "kind", "plural"),
        [
            ("v1", "Service", "services"),
            ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
            ("networking.k8s.io/v1", "Ingress", "ingresses"),
            ("sources.knative.dev/v1alpha1", "IntegrationSource", "integrationsources"),
        ],
    )
    def test_a_kind_is_read_from_the_manifest(self, api_version: str, kind: str, plural: str) -> None:
        expected = Kind(api_version=api_version, kind=kind, plural=plural)
        assert kind_of({"apiVersion": api_version, "kind": kind}) == expected


class TestRepeating:
    @pytest.mark.parametrize(
        "broken",
        [
            raw(b""),
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
            raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"),
            raw(b"\x15\x03\x01garbage\r\n\r\n"),
            stream(b'{"metadata"', whole=False),
            status(429, "TooManyRequests"),
            status(503, "ServiceUnavailable"),
            answer(502, b"<h1>Bad Gateway</h1>", "text/html"),
            answer(504, b""),
        ],
    )
    @pytest.mark.parametrize("method", ["get", "apply"])
    def test_what_may_be_asked_twice_is(
        self, start: Callable[..., tuple[Cluster, Server]], broken: Answer, method: str
    ) -> None:
        cluster, server = start(broken, broken, as_json(item("1")))
        ask: dict[str, Callable[[], object]] = {
            "get": lambda: cluster.get(KNATIVE_SERVICE, "digits"),
            "apply": lambda: cluster.apply(MANIFEST),
        }
        assert ask[method]() == item("1")
        assert len(server.received) == 3

    def test_it_is_not_asked_forever(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(status(503, "ServiceUnavailable", "etcd is away"))
        with pytest.raises(ClusterError) as refused:
            cluster.get(KNATIVE_SERVICE, "digits")
        assert refused.value.reference == "cluster-busy"
        assert refused.value.received == "etcd is away"
        assert len(server.received) == connection.ATTEMPTS

    def test_a_dropped_connection_is_told(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(raw(b""))
        with pytest.raises(ClusterError) as refused:
            cluster.get(KNATIVE_SERVICE, "digits")
        assert refused.value.reference == "cluster-unreachable"
        assert refused.value.status == 0
        assert "the connection broke" in refused.value.message
        assert len(server.received) == connection.ATTEMPTS

    def test_the_server_says_when_but_not_for_how_long_at_most(
        self, start: Callable[..., tuple[Cluster, Server]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        monkeypatch.setattr(time, "sleep", paused.append)
        monkeypatch.setattr(connection, "LONGEST_PAUSE_S", 10.0)
        wrong = "Wed, 21 Oct 2026 07:28:00 GMT"
        cluster, _ = start(
            status(429, "TooManyRequests", Retry_After="3"),
            status(429, "TooManyRequests", Retry_After="3600"),
            status(429, "TooManyRequests", Retry_After=wrong),
            as_json(item("1")),
        )
        cluster.get(KNATIVE_SERVICE, "digits")
        assert paused == [3.0, 10.0, connection.FIRST_PAUSE_S * 4]

    @pytest.mark.parametrize(
        "refusal",
        [
            status(403, "Forbidden"),
            status(409, "Conflict"),
            status(422, "Invalid"),
            status(500, "InternalError", 'failed calling webhook "a.b": timeout'),
            answer(302, b"", Location="/login"),
        ],
    )
    def test_a_refusal_is_not_asked_again(
        self, start: Callable[..., tuple[Cluster, Server]], refusal: Answer
    ) -> None:
        cluster, server = start(refusal)
        with pytest.raises(ClusterError):
            cluster.apply(MANIFEST)
        assert len(server.received) == 1

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"7", b"<html>Sign in</html>", b"\xff", b"[" * 99_999]
    )
    def test_an_answer_that_is_no_object_is_told(
        self, start: Callable[..., tuple[Cluster, Server]], body: bytes
    ) -> None:
        cluster, _ = start(answer(200, body))
        with pytest.raises(ClusterError) as refused:
            cluster.get(KNATIVE_SERVICE, "digits")
        assert refused.value.reference == "cluster-refused"
        assert "not a Kubernetes API server's" in refused.value.message

    def test_a_token_that_is_over_is_fetched_anew(
        self,
        start: Callable[..., tuple[Cluster, Server]],
        tmp_path: Path,
    ) -> None:
        cluster, server = start(status(401, "Unauthorized"), as_json(item("1")))
        write_kubeconfig(tmp_path / "config", server.url, user={"token": "n3w"})
        assert cluster.get(POD, "a") == item("1")
        tokens = [received.headers["authorization"] for received in server.received]
        assert tokens == ["Bearer s3cret", "Bearer n3w"]

    def test_a_token_is_fetched_anew_on_the_way_to_a_pod_too(
        self, start: Callable[..., tuple[Cluster, Server]], tmp_path: Path
    ) -> None:
        cluster, server = start(status(401, "Unauthorized"), answer(200, b"seven"))
        write_kubeconfig(tmp_path / "config", server.url, user={"token": "n3w"})
        assert cluster.ask_pod("a", 8080, "POST", "/invoke", b"{}") == (200, b"seven")
        assert [received.body for received in server.received] == [b"{}", b"{}"]

    def test_connections_are_kept(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(as_json(item("1")), stream(b'{"items": []}'), as_json(item("1")))
        cluster.get(POD, "a")
        cluster.list(POD)
        cluster.get(POD, "a")
        assert len({received.port for received in server.received}) == 1

    def test_credentials_that_are_refused_are_told(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(status(401, "Unauthorized"))
        with pytest.raises(ClusterError) as refused:
            cluster.get(POD, "a")
        assert refused.value.reference == "cluster-unauthorized"
        assert "s3cret" not in str(refused.value)
        assert len(server.received) == 2


class TestWatch:
    def test_it_gives_the_object_and_each_change(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(
            listed(item("9"), version="10"),
            events(
                ("MODIFIED", item("11")),
                ("BOOKMARK", item("12")),
                ("DELETED", item("13")),
                ("ADDED", item("14")),
            ),
            listed(item("14"), version="15"),
            silence,
        )
        found = cluster.watch(KNATIVE_SERVICE, "digits", timeout_s=60)
        assert first(4, found) == ["9", "11", None, "14"]
        read, second, *_ = server.received
        assert read.path == second.path == SERVICES
        assert read.query == {"fieldSelector": "metadata.name=digits"}
        assert second.query["resourceVersion"] == "10"
        assert second.query["fieldSelector"] == "metadata.name=digits"
        assert second.query["watch"] == second.query["allowWatchBookmarks"] == "true"
        assert second.query["timeoutSeconds"] == "60"

    def test_objects_say_what_they_are(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, _ = start(listed(item("1")))
        found = next(cluster.watch(KNATIVE_SERVICE, "digits", timeout_s=60))
        assert found is not None
        assert (found["apiVersion"], found["kind"]) == ("serving.knative.dev/v1", "Service")

    def test_what_is_not_there_may_come(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, _ = start(listed(), events(("ADDED", item("11"))), listed(item("11")), silence)
        assert first(2, cluster.watch(SERVICE, "digits", timeout_s=60)) == [None, "11"]

    @pytest.mark.parametrize(
        "ended",
        [
            events(),
            events(whole=False),
            status(410, "Expired"),
            status(429, "TooManyRequests"),
            status(500, "InternalError"),
            answer(503, b"no healthy upstream"),
            raw(b""),
            raw(b"garbage\r\n\r\n"),
            events(("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})),
            events(("ERROR", {"kind": "Status", "code": 500})),
            events(("NOVELTY", item("12"))),
            stream(b"not json\n"),
            stream(b"[]\n"),
            stream(b'{"type": "MODIFIED", "object": 7}\n'),
            stream(b'{"type": "MODIFIED", "object": {"metad'),
            stream(b'{"type": "MODIFIED", "object": {"metad', whole=False),
            stream(b"\xff\xfe\n"),
        ],
    )
    def test_however_a_stream_ends_it_is_read_again(
        self, start: Callable[..., tuple[Cluster, Server]], ended: Answer
    ) -> None:
        cluster, _ = start(
            listed(item("1"), version="1"), ended, listed(item("2"), version="2"), silence
        )
        assert first(2, cluster.watch(POD, "digits", timeout_s=60)) == ["1", "2"]

    @pytest.mark.parametrize(
        "gone",
        [
            status(410, "Expired", "too old resource version"),
            events(("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})),
        ],
    )
    def test_being_told_gone_again_and_again_does_not_make_it_spin(
        self, start: Callable[..., tuple[Cluster, Server]], gone: Answer
    ) -> None:
        answers: list[Answer] = []
        for _ in range(10):
            answers += [listed(item("1")), gone]
        cluster, server = start(*answers, listed(item("2"), version="2"), silence)
        assert first(2, cluster.watch(POD, "digits", timeout_s=60)) == ["1", "2"]
        assert len(server.received) == len(answers) + 1

    def test_the_pauses_grow(
        self, start: Callable[..., tuple[Cluster, Server]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        monkeypatch.setattr(time, "sleep", paused.append)
        monkeypatch.setattr(watching, "FIRST_PAUSE_S", 1.0)
        monkeypatch.setattr(watching, "LONGEST_PAUSE_S", 4.0)
        answers = [listed(item("1")), events()] * 4
        cluster, _ = start(*answers, listed(item("2")), events(("MODIFIED", item("3"))), silence)
        changes = cluster.watch(POD, "digits", timeout_s=60)
        assert [next(changes) for _ in range(3)][-1] == {"apiVersion": "v1", "kind": "Pod"} | item("3")
        assert paused == [1.0, 2.0, 4.0, 4.0]

    def test_it_ends_though_the_server_says_nothing(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(listed(item("1")), silence)
        assert len(list(cluster.watch(POD, "digits", timeout_s=0.3))) == 1
        assert len(server.received) == 2

    def test_the_same_is_not_told_twice(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(listed(), events(), listed(), events(), listed(item("1")), silence)
        assert first(2, cluster.watch(POD, "digits", timeout_s=60)) == [None, "1"]
        assert len(server.received) == 5

    def test_a_server_that_comes_back_is_waited_for(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        away = status(503, "ServiceUnavailable")
        cluster, _ = start(listed(item("1")), away, raw(b""), away, listed(item("2")), silence)
        assert first(2, cluster.watch(POD, "digits", timeout_s=60)) == ["1", "2"]

    def test_a_server_that_stays_away_is_told_at_the_end(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, _ = start(listed(item("1")), raw(b""))
        changes = cluster.watch(POD, "digits", timeout_s=0.5)
        assert next(changes) is not None
        with pytest.raises(ClusterError) as refused:
            next(changes)
        assert refused.value.reference == "cluster-unreachable"

    def test_what_may_not_be_watched_is_told(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        message = (
            'pods is forbidden: User "dev" cannot watch resource "pods" in API group "" in the '
            'namespace "shop"'
        )
        cluster, _ = start(listed(item("1")), status(403, "Forbidden", message))
        changes = cluster.watch(POD, "digits", timeout_s=60)
        assert next(changes) is not None
        with pytest.raises(ClusterError) as refused:
            next(changes)
        assert refused.value.message == "the user dev may not watch pods in the namespace shop"


class TestLogs:
    def test_lines_come_as_they_are(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(
            stream(
                b"2026-01-01T00:00:00.0Z on", b"e\n2026-01-01T00:00:01.0Z \xff\xfetwo\r\n", b"\nthree"
            )
        )
        lines = list(cluster.logs("digits-1", "digits", previous=True, since_s=60, tail=5))
        assert lines == [
            "2026-01-01T00:00:00.0Z one",
            "2026-01-01T00:00:01.0Z \ufffd\ufffdtwo\r",
            "",
            "three",
        ]
        (received,) = server.received
        assert received.path == "/api/v1/namespaces/shop/pods/digits-1/log"
        assert received.query == {
            "container": "digits",
            "timestamps": "true",
            "previous": "true",
            "sinceSeconds": "60",
            "tailLines": "5",
        }

    def test_a_dropped_log_goes_on_where_it_was(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        at = "2026-01-01T00:00:0{}.{:09}Z {}\n".format
        begun = [at(0, 5, "a"), at(1, 7, "b"), at(1, 7, "c"), at(1, 7, "half of a line that com")]
        again = [at(1, 3, "before b"), at(1, 7, "b"), at(1, 7, "c"), at(1, 7, "d"), at(2, 0, "e")]
        cluster, server = start(
            stream("".join(begun).encode()[:-5], whole=False),
            stream("".join(again[:4]).encode(), whole=False),
            stream("".join(again).encode()),
        )
        lines = list(cluster.logs("digits-1", "digits", follow=True, since_s=60, tail=9))
        assert [line.split(" ", 1)[1] for line in lines] == ["a", "b", "c", "d", "e"]
        first_asked, *later = server.received
        assert first_asked.query["follow"] == "true"
        for asked in later:
            assert asked.query["sinceTime"] == "2026-01-01T00:00:01.000000007Z"
            assert not {"sinceSeconds", "tailLines"} & set(asked.query)

    def test_a_log_that_always_breaks_ends_with_an_error(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(stream(b"2026-01-01T00:00:00.0Z a\n", whole=False))
        lines = cluster.logs("digits-1", "digits", follow=True)
        assert next(lines).endswith("a")
        with pytest.raises(ClusterError) as refused:
            next(lines)
        assert refused.value.reference == "cluster-unreachable"
        assert len(server.received) == watching.LOG_ATTEMPTS

    def test_a_silent_log_is_asked_for_anew(
        self, start: Callable[..., tuple[Cluster, Server]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "IDLE_S", 0.05)
        idle = [silence] * (2 * watching.LOG_ATTEMPTS)
        cluster, _ = start(*idle, stream(b"2026-01-01T00:00:00.0Z a\n"))
        assert len(list(cluster.logs("digits-1", "digits", follow=True))) == 1

    def test_a_pod_that_went_while_the_connection_was_gone_ends_its_log(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        missing = {"kind": "Status", "message": "x", "details": {"name": "digits-1", "kind": "pods"}}
        cluster, _ = start(stream(b"2026-01-01T00:00:00.0Z a\n", whole=False), as_json(missing, 404))
        assert len(list(cluster.logs("digits-1", "digits", follow=True))) == 1

    def test_a_pod_that_is_not_there_is_told(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        missing = {
            "kind": "Status",
            "message": 'pods "digits-1" not found',
            "details": {"name": "digits-1", "kind": "pods"},
        }
        cluster, _ = start(as_json(missing, 404))
        with pytest.raises(ClusterError) as refused:
            list(cluster.logs("digits-1", "digits"))
        assert refused.value.status == 404

    def test_a_line_without_end_is_cut(
        self, start: Callable[..., tuple[Cluster, Server]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "LONGEST_LINE_BYTES", 100)
        cluster, _ = start(stream(*[b"x" * 70_000] * 5, b"\n2026-01-01T00:00:00.0Z short\n"))
        assert list(cluster.logs("digits-1", "digits")) == [
            "x" * 100,
            "2026-01-01T00:00:00.0Z short",
        ]

    def test_lines_come_before_the_log_ends(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        def beginning(handler: Any) -> None:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"1b\r\n2026-01-01T00:00:00.0Z now\n\r\n")
            handler.wfile.flush()
            silence(handler)

        cluster, _ = start(beginning)
        lines = cluster.logs("digits-1", "digits", follow=True)
        assert next(lines) == "2026-01-01T00:00:00.0Z now"


class TestAskingPods:
    def test_a_pod_is_asked_through_the_api_server(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(answer(200, b"seven"))
        given = cluster.ask_pod("digits-1", 8080, "POST", "/invoke?x=1", b"\x00png", "image/png")
        assert given == (200, b"seven")
        (received,) = server.received
        assert received.method == "POST"
        assert received.path == "/api/v1/namespaces/shop/pods/digits-1:8080/proxy/invoke"
        assert received.query == {"x": "1"}
        assert received.headers["content-type"] == "image/png"
        assert received.body == b"\x00png"

    def test_a_service_is_asked_by_its_port(self, start: Callable[..., tuple[Cluster, Server]]) -> None:
        cluster, server = start(answer(200, b""))
        assert cluster.ask_service("digits", "http", "GET", "/") == (200, b"")
        assert server.received[0].path == "/api/v1/namespaces/shop/services/digits:http/proxy/"

    @pytest.mark.parametrize(
        "given",
        [
            answer(404, b'{"detail": "no such route"}', "application/json"),
            answer(422, b"{}"),
            answer(429, b"queue full"),
            answer(500, b"oops"),
            answer(307, b"", Location="/elsewhere"),
            status(503, "ServiceUnavailable", "error trying to reach service: connection refused"),
        ],
    )
    def test_an_error_of_the_pod_is_an_answer(
        self, start: Callable[..., tuple[Cluster, Server]], given: Answer
    ) -> None:
        cluster, server = start(given)
        code, _ = cluster.ask_pod("digits-1", 8080, "POST", "/invoke", b"{}")
        assert code >= 300
        assert len(server.received) == 1

    def test_a_refusal_of_the_api_server_is_none(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        message = (
            'pods "digits-1" is forbidden: User "dev" cannot create resource "pods/proxy" in API group '
            '"" in the namespace "shop"'
        )
        cluster, _ = start(status(403, "Forbidden", message))
        with pytest.raises(ClusterError) as refused:
            cluster.ask_pod("digits-1", 8080, "POST", "/invoke", b"{}")
        assert refused.value.message == "the user dev may not create pods/proxy in the namespace shop"

    def test_a_request_with_a_body_is_never_sent_twice(
        self, start: Callable[..., tuple[Cluster, Server]]
    ) -> None:
        cluster, server = start(raw(b""))
        with pytest.raises(ClusterError):
            cluster.ask_pod("digits-1", 8080, "POST", "/invoke", b"{}")
        assert len(server.received) == 1


def first(count: int, found: Iterator[dict[str, Any] | None]) -> list[str | None]:
    """The versions of the first objects; None for what is not there."""
    objects = itertools.islice(found, count)
    return [None if each is None else each["metadata"]["resourceVersion"] for each in objects]
