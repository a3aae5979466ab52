"""The stand-in as tests use it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml
from tests.kubernetes_stand_in.accounts import add_accounts
from tests.kubernetes_stand_in.api import ApiServer
from tests.kubernetes_stand_in.balancers import LoadBalancers
from tests.kubernetes_stand_in.deployments import Deployments
from tests.kubernetes_stand_in.faults import USER, Faults
from tests.kubernetes_stand_in.ingress import Ingress
from tests.kubernetes_stand_in.knative import Services
from tests.kubernetes_stand_in.knative_revisions import Revisions
from tests.kubernetes_stand_in.kubelet import Kubelet
from tests.kubernetes_stand_in.serving import stop
from tests.kubernetes_stand_in.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kubernetes_stand_in.kinds import Object

IDLE_S = 0.2
"""How often controllers look at the clock; everything else wakes them."""


class StandIn:
    """A cluster as far as liteship and its tests need one; a context manager.

    Args:
        bundles: The folder that runs as an image, by the image's whole reference; more can be added
            to `bundles` later.
        namespaces: Exist from the start.
        namespace: The context's own.

    Attributes:
        bundles: A dict, may be changed.
        kubeconfig: For KUBECONFIG.
        ingress: Where requests from outside go, with the Host header of a Service's URL.
        ingress_inside: The same for requests inside the cluster, where cluster-local URLs are known.
        store: Objects by (api_version, kind, namespace, name).
        requests: What the API server was asked: method, path and query.
        faults: What goes wrong.
        errors: Tracebacks of controllers; a test's end fails where there are any.
    """

    def __init__(
        self,
        bundles: Mapping[str, Path] | None = None,
        *,
        namespaces: tuple[str, ...] = ("default", "kube-system"),
        namespace: str = "default",
    ) -> None:
        self.bundles = dict(bundles or {})
        self.store = Store()
        self.faults = Faults()
        self.errors: list[str] = []
        self._ended = threading.Event()
        self._kubelet = Kubelet(self.store, self.bundles, self.faults)
        self._services = Services(self.store)
        self._revisions = Revisions(self.store, self.bundles, self.faults)
        self._deployments = Deployments(self.store, self.faults)
        self._balancers = LoadBalancers(self.store, self._kubelet, self.faults)
        self._folder = Path(tempfile.mkdtemp(prefix="stand-in-"))
        self._namespace = namespace
        self.kubeconfig = self._folder / "kubeconfig"
        for name in namespaces:
            self.add_namespace(name)

    @property
    def window_s(self) -> float:
        """How long without a request until a Revision's last Pod goes."""
        return self._revisions.window_s

    @window_s.setter
    def window_s(self, seconds: float) -> None:
        self._revisions.window_s = seconds

    @property
    def progress_deadline_s(self) -> float | None:
        """After which a Deployment that does not come on has failed; None is what it says itself."""
        return self._deployments.deadline_s

    @progress_deadline_s.setter
    def progress_deadline_s(self, seconds: float | None) -> None:
        self._deployments.deadline_s = seconds

    @property
    def most_replicas(self) -> int | None:
        """Runs at most so many Pods a Deployment; None is no limit."""
        return self._deployments.most_replicas

    @most_replicas.setter
    def most_replicas(self, count: int | None) -> None:
        self._deployments.most_replicas = count

    def balancer(self, name: str, namespace: str = "default") -> str:
        """Where a Service of type LoadBalancer really answers.

        That is at its address and its port where we may open that port, and elsewhere for users who may
        not: then it has to be given with `--ingress`.
        """
        return self._balancers.url(namespace, name)

    @property
    def requests(self) -> list[tuple[str, str, str]]:
        return self._api.requests

    def __enter__(self) -> Self:
        self._ingress = Ingress(self.store, self._revisions, self._kubelet)
        self._api = ApiServer(self.store, self._kubelet, self._balancers, self.faults, self._ended)
        self.ingress = f"http://127.0.0.1:{self._ingress.server.server_address[1]}"
        self.ingress_inside = f"http://127.0.0.1:{self._ingress.server_inside.server_address[1]}"
        self.server = f"http://127.0.0.1:{self._api.server.server_address[1]}"
        self.kubeconfig.write_text(yaml.safe_dump(kubeconfig(self.server, self._namespace)))
        self._controllers = threading.Thread(target=self._control, daemon=True)
        self._controllers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self.store.changed:
            self.store.changed.notify_all()
        self._controllers.join()
        stop(self._ingress.server)
        stop(self._ingress.server_inside)
        stop(self._api.server)
        self._balancers.close()
        self._kubelet.close()
        shutil.rmtree(self._folder)
        assert not self.errors, "\n".join(self.errors)

    def add_namespace(self, name: str) -> None:
        """Makes a namespace."""
        self.store.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "status": {"phase": "Active"},
            }
        )

    def _control(self) -> None:
        seen = 0
        while not self._ended.is_set():
            with self.store.changed:
                if self.store.version == seen:
                    self.store.changed.wait(IDLE_S)
                seen = self.store.version
            try:
                self._reconcile()
            except Exception:  # noqa: BLE001  # shown at the end of the test, instead of hanging it
                self.errors.append(traceback.format_exc())
                self._ended.set()

    def _reconcile(self) -> None:
        with self.store.changed:
            add_accounts(self.store)
            self._services.sync(no_domain=self.faults.no_domain)
            self._revisions.sync()
            self._deployments.sync()
        self._kubelet.sync()
        self._balancers.sync()


def kubeconfig(server: str, namespace: str) -> Object:
    """A kubeconfig with one context, whose server is reached over HTTP."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stand-in",
        "clusters": [{"name": "stand-in", "cluster": {"server": server}}],
        "users": [{"name": USER, "user": {"token": "stand-in"}}],
        "contexts": [
            {
                "name": "stand-in",
                "context": {"cluster": "stand-in", "user": USER, "namespace": namespace},
            }
        ],
    }
