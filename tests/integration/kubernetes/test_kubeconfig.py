"""Finding the cluster: kubeconfig in all its states, a Pod's service account, TLS."""

from __future__ import annotations

import base64
import json
import logging
import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.kubernetes.certificates import Authority
from tests.integration.kubernetes.scripted import Server, as_json, item, status, write_kubeconfig

from liteship.deploy.kubernetes.api import kubeconfig
from liteship.deploy.kubernetes.api.cluster import POD, Cluster, ClusterError
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "eyJhbGciOi-secret"  # noqa: S105  # what must not be shown

EMPTY_CREDENTIAL = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {},
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without kubeconfig, outside of any cluster, and no proxies."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that KUBECONFIG names; not written yet."""
    path = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def server() -> Iterator[Server]:
    with Server([as_json(item("1"))]) as server:
        yield server


def refusal(**settings: Any) -> ClusterError:
    with pytest.raises(ClusterError) as refused:
        Cluster(**settings)
    assert refused.value.status == 0
    assert SECRET not in str(refused.value)
    return refused.value


def whole(**changes: Any) -> dict[str, Any]:
    """A kubeconfig that can be used, with some of its keys changed."""
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
    } | changes


class TestFinding:
    def test_there_is_none(self, config: Path) -> None:
        error = refusal()
        assert error.reference == "kubeconfig-missing"
        assert str(config) in error.message

    def test_the_usual_place_is_the_home_folder(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        assert str(home / ".kube" / "config") in refusal().message
        (home / ".kube").mkdir(parents=True)
        write_kubeconfig(home / ".kube" / "config", server.url)
        for value in (None, ""):
            if value is not None:
                monkeypatch.setenv("KUBECONFIG", value)
            with Cluster() as cluster:
                assert cluster.server == server.url

    def test_without_the_package_it_says_how_to_get_it(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config.write_text(json.dumps(whole()))
        monkeypatch.setitem(sys.modules, "kubernetes", None)
        with pytest.raises(ConfigurationError) as refused:
            Cluster()
        assert refused.value.reference == "extra-missing"
        assert "liteship[deploy]" in refused.value.hint

    def test_only_who_asks_a_cluster_waits_for_the_package(self) -> None:
        script = (
            "import sys, liteship.deploy.kubernetes.api.cluster\n"
            "print(sorted({'kubernetes', 'urllib3', 'yaml', 'requests'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert done.stdout.strip() == b"[]"

    def test_context_and_namespace_come_from_it(self, config: Path, server: Server) -> None:
        write_kubeconfig(config, f"{server.url}/", context={"namespace": "shop"})
        with Cluster() as cluster:
            assert (cluster.context, cluster.namespace) == ("here", "shop")
            assert cluster.server == server.url
        with Cluster(namespace="other") as cluster:
            assert cluster.namespace == "other"
        write_kubeconfig(config, server.url)
        with Cluster() as cluster:
            assert cluster.namespace == "default"

    def test_several_files_are_one(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        one.write_text(json.dumps({"current-context": "b", "contexts": whole()["contexts"]}))
        two.write_text(
            json.dumps(
                {
                    "contexts": [{"name": "b", "context": {"cluster": "c", "namespace": "shop"}}],
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                }
            )
        )
        paths = [tmp_path / "missing", one, two]
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
        with Cluster() as cluster:
            assert (cluster.context, cluster.namespace) == ("b", "shop")
            assert cluster.get(POD, "a") == item("1")

    def test_files_beside_it_are_found(
        self, config: Path, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text("from-file\n")
        write_kubeconfig(config, server.url, user={"tokenFile": "token"})
        monkeypatch.chdir("/")
        with Cluster() as cluster:
            cluster.get(POD, "a")
        assert server.received[0].headers["authorization"] == "Bearer from-file"

    def test_a_password_is_sent(self, config: Path, server: Server) -> None:
        write_kubeconfig(config, server.url, user={"username": "dev", "password": "p"})
        with Cluster() as cluster:
            cluster.get(POD, "a")
        said = base64.b64encode(b"dev:p").decode()
        assert server.received[0].headers["authorization"] == f"Basic {said}"

    def test_proxies_are_used(self, config: Path, server: Server) -> None:
        write_kubeconfig(config, "http://cluster.invalid:6443", cluster={"proxy-url": server.url})
        with Cluster() as cluster:
            assert cluster.get(POD, "a") == item("1")
        assert server.received[0].headers["host"] == "cluster.invalid:6443"

    def test_a_proxy_that_cannot_be_used(self, config: Path, closed_port: int) -> None:
        write_kubeconfig(config, "http://127.0.0.1:1", cluster={"proxy-url": "nonsense://x"})
        assert refusal().reference == "kubeconfig-invalid"
        proxy = f"http://127.0.0.1:{closed_port}"
        write_kubeconfig(config, "https://cluster.invalid:6443", cluster={"proxy-url": proxy})
        error = unanswered()
        assert "the proxy does not lead there" in error.message


class TestWrongFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n# nothing\n",
            b"7",
            b"- a\n- b\n",
            b"token: 'eyJhbGciOi-secret\nserver: [",
            b"\xff\xfe\x00\x01",
            b"a: \x07\n",
            b"{}",
            json.dumps(whole(contexts={"here": {}})).encode(),
            json.dumps(whole(contexts=["here"])).encode(),
            json.dumps(whole(contexts=[{"context": {}}])).encode(),
            json.dumps(whole(contexts=[{"name": "here"}])).encode(),
            json.dumps(whole(contexts=[{"name": "here", "context": None}])).encode(),
            json.dumps(whole(contexts=7)).encode(),
            json.dumps(whole(clusters=[])).encode(),
            json.dumps(whole(clusters=[{"name": "c"}])).encode(),
            json.dumps(whole(clusters=[{"name": "c", "cluster": {}}])).encode(),
            json.dumps(whole(clusters=[{"name": "c", "cluster": {"server": None}}])).encode(),
            json.dumps(whole(users=[])).encode(),
            json.dumps(whole(users=[{"name": "u"}])).encode(),
            json.dumps(whole(users=[{"name": "u", "user": f"{SECRET}"}])).encode(),
            json.dumps(whole(users=[{"name": "u", "user": {"token": f"{SECRET}\n7"}}])).encode(),
            json.dumps(
                whole(
                    users=[
                        {
                            "name": "u",
                            "user": {"token": SECRET, "auth-provider": {"name": "oidc", "config": 7}},
                        }
                    ]
                )
            ).encode(),
            json.dumps(whole(**{"current-context": None})).encode(),
            json.dumps(whole(**{"current-context": ["here"]})).encode(),
        ],
    )
    def test_what_is_no_kubeconfig_is_told_without_its_secrets(
        self, config: Path, content: bytes
    ) -> None:
        config.write_bytes(content)
        assert refusal().reference == "kubeconfig-invalid"

    def test_a_folder_is_none(self, config: Path) -> None:
        config.mkdir()
        error = refusal()
        assert error.reference == "kubeconfig-invalid"
        assert "directory" in error.message

    def test_one_that_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", "/proc/self/mem")  # which root may not read either
        error = refusal()
        assert error.reference == "kubeconfig-invalid"
        assert "Input/output error" in error.message

    def test_a_context_that_it_does_not_have(self, config: Path) -> None:
        config.write_text(json.dumps(whole()))
        error = refusal(context="there")
        assert error.reference == "kubeconfig-invalid"
        assert "no context there" in error.message
        assert "here" in error.hint

    def test_a_cluster_that_it_does_not_have(self, config: Path) -> None:
        config.write_text(json.dumps(whole(clusters=[])))
        assert "names the cluster c, which it does not have" in refusal().message

    @pytest.mark.parametrize(
        "address",
        ["", "cluster:6443", "ftp://cluster", "https://", "http://[::1", "https://a:99999", "7"],
    )
    def test_an_address_that_is_none(self, config: Path, address: str) -> None:
        write_kubeconfig(config, address)
        error = refusal()
        assert error.reference == "kubeconfig-invalid"
        assert "no address" in error.message

    @pytest.mark.parametrize(
        "damaged",
        [
            {"cluster": {"certificate-authority-data": "not base64!"}},
            {"cluster": {"certificate-authority-data": base64.b64encode(b"no PEM").decode()}},
            {"cluster": {"certificate-authority": "missing.pem"}},
            {"user": {"client-certificate-data": base64.b64encode(b"no PEM").decode()}},
            {"user": {"client-certificate": "missing.pem", "client-key": "missing.key"}},
        ],
    )
    def test_certificates_that_are_none(self, config: Path, damaged: dict[str, Any]) -> None:
        write_kubeconfig(config, "https://127.0.0.1:1", **damaged)
        assert refusal().reference == "kubeconfig-invalid"


class TestPlugins:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins."""

    def use(self, config: Path, server: Server, script: str) -> None:
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", script],
        }
        write_kubeconfig(config, server.url, user={"exec": plugin})

    def test_its_token_is_sent_and_fetched_anew_when_it_is_over(
        self, config: Path, tmp_path: Path
    ) -> None:
        count = tmp_path / "count"
        script = f"""
import json, os
with open({str(count)!r}, "a") as file:
    file.write("x")
token = f"token-{{os.path.getsize({str(count)!r})}}"
print(json.dumps({EMPTY_CREDENTIAL} | {{"status": {{"token": token}}}}))
"""
        answers = [as_json(item("1")), status(401, "Unauthorized"), as_json(item("2"))]
        with Server(answers) as server:
            self.use(config, server, script)
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")
                assert cluster.get(POD, "a") == item("2")
            tokens = [received.headers["authorization"] for received in server.received]
        assert tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]

    def test_one_that_is_not_installed(self, config: Path, server: Server) -> None:
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
        write_kubeconfig(config, server.url, user={"exec": plugin})
        error = refusal()
        assert error.reference == "kubeconfig-invalid"
        assert "needs no-such-plugin for its credentials" in error.message

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("raise SystemExit('your login is over')", "your login is over"),
            ("print('not json')", "decode"),
            ("print('[]')", "missing key"),
            ("print('{}')", "missing key"),
            (f"print({json.dumps(json.dumps(EMPTY_CREDENTIAL))})", "missing token"),
            ("", "decode"),
        ],
    )
    def test_one_that_fails(
        self,
        config: Path,
        server: Server,
        script: str,
        said: str,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        handlers = logging.getLogger().handlers[:]
        self.use(config, server, script)
        error = refusal()
        assert error.reference == "cluster-unauthorized"
        assert said in (error.received or "")
        assert capfd.readouterr() == ("", "")
        assert logging.getLogger().handlers == handlers


class TestInAPod:
    @pytest.fixture
    def account(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "serviceaccount"
        folder.mkdir()
        (folder / "token").write_text("pod-token\n")
        (folder / "namespace").write_text("shop")
        monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", str(folder))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        return folder

    def test_its_service_account_is_used(
        self, account: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (account / "ca.crt").write_bytes(authority.pem)
        with Server([as_json(item("1"))], authority.server()) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")
                assert (cluster.context, cluster.namespace) == (kubeconfig.IN_CLUSTER, "shop")
        assert server.received[0].headers["authorization"].lower() == "bearer pod-token"

    @pytest.mark.usefixtures("account")
    def test_a_context_is_not_looked_for_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
        assert refusal(context="there").reference == "kubeconfig-missing"

    @pytest.mark.usefixtures("account")
    def test_one_without_a_certificate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
        assert refusal().reference == "kubeconfig-invalid"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class TestTls:
    def test_a_certificate_that_kubeconfig_trusts(self, config: Path, authority: Authority) -> None:
        with Server([as_json(item("1"))], authority.server()) as server:
            trust = {"certificate-authority-data": authority.data}
            write_kubeconfig(config, server.url, cluster=trust)
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")

    def test_an_authority_need_not_be_as_strict_as_python(
        self, config: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create = ssl.create_default_context

        def strict(**settings: Any) -> ssl.SSLContext:
            tls = create(**settings)
            tls.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
            return tls

        with Server([as_json(item("1"))], authority.server()) as server:
            trust = {"certificate-authority-data": authority.data}
            write_kubeconfig(config, server.url, cluster=trust)
            monkeypatch.setattr(ssl, "create_default_context", strict)
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")

    def test_a_certificate_for_a_name_that_kubeconfig_gives(
        self, config: Path, authority: Authority
    ) -> None:
        with Server([as_json(item("1"))], authority.server(name="kubernetes")) as server:
            trust = {"certificate-authority-data": authority.data, "tls-server-name": "kubernetes"}
            write_kubeconfig(config, server.url, cluster=trust)
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")

    def test_whoever_asks_for_it_may_trust_everybody(self, config: Path, authority: Authority) -> None:
        with Server([as_json(item("1"))], authority.server()) as server:
            write_kubeconfig(config, server.url, cluster={"insecure-skip-tls-verify": True})
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")

    def test_a_client_certificate_is_shown(self, config: Path, authority: Authority) -> None:
        tls = authority.server()
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(cadata=authority.pem.decode())
        certificate, key = authority.pair()
        trust = {"certificate-authority-data": authority.data}
        with Server([as_json(item("1"))], tls) as server:
            user = {"client-certificate": certificate, "client-key": key}
            write_kubeconfig(config, server.url, cluster=trust, user=user)
            with Cluster() as cluster:
                assert cluster.get(POD, "a") == item("1")
            write_kubeconfig(config, server.url, cluster=trust)
            unanswered()

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"days": 1, "age_days": 2}, "its certificate has expired"),
            ({"age_days": -1}, "its certificate is not valid yet"),
            ({"name": "kubernetes"}, "its certificate is for other addresses"),
            ({"address": "10.0.0.1"}, "its certificate is for other addresses"),
        ],
    )
    def test_a_certificate_that_is_not_right(
        self, config: Path, authority: Authority, settings: dict[str, Any], said: str
    ) -> None:
        with Server([as_json({})], authority.server(**settings)) as server:
            trust = {"certificate-authority-data": authority.data}
            write_kubeconfig(config, server.url, cluster=trust)
            assert said in unanswered().message

    def test_a_certificate_for_another_name(self, config: Path, authority: Authority) -> None:
        with Server([as_json({})], authority.server(name="kubernetes")) as server:
            address = f"https://localhost:{server.server_port}"
            trust = {"certificate-authority-data": authority.data}
            write_kubeconfig(config, address, cluster=trust)
            assert "its certificate is for other names" in unanswered().message

    def test_an_authority_that_nobody_knows(self, config: Path, authority: Authority) -> None:
        with Server([as_json({})], authority.server()) as server:
            write_kubeconfig(config, server.url)
            error = unanswered()
            assert "from an authority that kubeconfig does not name" in error.message
            assert "certificate-authority-data" in error.hint

    def test_a_server_without_tls(self, config: Path, server: Server) -> None:
        write_kubeconfig(config, server.url.replace("http:", "https:"))
        assert "no TLS with it" in unanswered().message


class TestNobodyThere:
    def test_a_port_that_nobody_listens_on(self, config: Path, closed_port: int) -> None:
        write_kubeconfig(config, f"http://127.0.0.1:{closed_port}")
        assert "nobody listens there" in unanswered().message

    def test_a_name_that_is_not_known(self, config: Path) -> None:
        write_kubeconfig(config, "https://no-such-cluster.invalid:6443")
        assert "its name is not known" in unanswered().message

    def test_a_name_that_cannot_be(self, config: Path) -> None:
        write_kubeconfig(config, f"https://{'a' * 300}.invalid:6443")
        assert "its address cannot be used" in unanswered().message


def unanswered() -> ClusterError:
    with Cluster() as cluster, pytest.raises(ClusterError) as refused:
        cluster.get(POD, "a")
    assert refused.value.reference == "cluster-unreachable"
    assert refused.value.status == 0
    return refused.value
