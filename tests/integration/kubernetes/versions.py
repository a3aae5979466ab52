"""Several versions of a function on a cluster's stand-in, asked for and measured."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from liteship.deploy.kubernetes import manifests
from liteship.deploy.kubernetes.api.cluster import KNATIVE_SERVICE, REVISION, Cluster
from liteship.deploy.kubernetes.traffic.figures import Increases, figures
from liteship.deploy.kubernetes.traffic.revisions import condition, list_revisions
from liteship.deploy.kubernetes.traffic.routing import pin_traffic, read_routing
from liteship.deploy.kubernetes.traffic.scrapes import scrape
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kubernetes_stand_in import StandIn

ROOT = Path(__file__).parents[3]
HOST = "digits.default.example.com"
PATIENCE_S = 60.0


@dataclass
class Digits:
    """The function digits on the stand-in.

    Attributes:
        stand_in: The cluster.
        api: liteship's own client of it.
    """

    stand_in: StandIn
    api: Cluster

    def deploy(
        self, version: str, image: str, *, pin: bool = True, ready: bool = True, **output: Any
    ) -> str:
        """Makes a Revision of that version; gives its name.

        Args:
            version: As its label says.
            image: One of the stand-in's.
            pin: Whether the traffic stays where it is.
            ready: Whether to wait until the Revision is.
            output: Changes of function.toml's [output].
        """
        config = load_function("digits", ROOT).config
        changed = config.output.model_copy(update=output)
        manifest = manifests.service(
            config.model_copy(update={"version": version, "output": changed}), image
        )
        name: str = manifest["spec"]["template"]["metadata"]["name"]
        if pin:
            pin_traffic(self.api, "digits")
        self.api.apply(manifest)
        if ready:
            self.wait_until(lambda: self._is_ready(name))
        else:
            self.wait_until(lambda: self.api.get(REVISION, name) is not None)
        return name

    def _is_ready(self, revision: str) -> bool:
        found = self.api.get(REVISION, revision)
        service = self.api.get(KNATIVE_SERVICE, "digits") or {}
        status = service.get("status", {})
        return (
            found is not None
            and condition(found, "Ready").get("status") == "True"
            and status.get("latestReadyRevisionName") == revision
            and condition(service, "RoutesReady").get("status") == "True"
        )

    @staticmethod
    def wait_until(done: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.1)

    def percents(self) -> dict[str, int]:
        """Version to percent, as Knative divides now."""
        return {
            each.version: each.percent for each in list_revisions(self.api, "digits") if each.percent
        }

    def asked(self) -> list[dict[str, Any]]:
        """spec.traffic, without the tags alone."""
        service = self.api.get(KNATIVE_SERVICE, "digits")
        assert service is not None
        return [each for each in service["spec"]["traffic"] if each.get("percent")]

    def by_revision(self) -> dict[str, int]:
        """Revision name to percent, as Knative divides now."""
        return dict(read_routing(self.api, "digits").percents)

    def send(self, requests: int, picture: bytes) -> list[int]:
        """The statuses of so many predictions, asked for through the ingress."""
        headers = {"content-type": "image/png", "host": HOST}
        with httpx.Client(base_url=self.stand_in.ingress, timeout=PATIENCE_S) as client:

            def ask(_: int) -> int:
                return client.post("/predict", content=picture, headers=headers).status_code

            with ThreadPoolExecutor(4) as pool:
                return list(pool.map(ask, range(requests)))

    def counted(self, revisions: Mapping[str, Increases]) -> dict[str, int]:
        """Requests by Revision since the last call, from /metrics."""
        for revision, counts in revisions.items():
            counts.add(scrape(self.api, revision).samples)
        return {name: figures(counts.total, {}).requests for name, counts in revisions.items()}


class Load:
    """Predictions without end, from a thread, while it is open."""

    def __init__(self, digits: Digits, picture: bytes) -> None:
        self.statuses: list[int] = []
        self._digits, self._picture = digits, picture
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.statuses += self._digits.send(20, self._picture)
