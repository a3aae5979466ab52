"""The kubelet: Pods as processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.container import Container
from tests.kubernetes_stand_in.kinds import POD, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store


class Kubelet:
    """Starts a process for each Pod, and ends it with the Pod."""

    def __init__(self, store: Store, bundles: Mapping[str, Path], faults: Faults) -> None:
        self._store = store
        self._bundles = bundles
        self._faults = faults
        self._containers: dict[str, Container] = {}

    def sync(self) -> None:
        """Gives every Pod its container; whatever the container does then, it writes itself."""
        pods = {pod["metadata"]["uid"]: pod for pod in self._store.of(POD)}
        for uid, pod in pods.items():
            leaving = "deletionTimestamp" in pod["metadata"]
            if uid not in self._containers and leaving:
                self._store.remove(key_of(pod), final=True)
            elif uid not in self._containers:
                container = Container(self._store, self._bundles, self._faults, pod)
                self._containers[uid] = container
                container.start()
            elif leaving:
                self._containers[uid].leave()
        for uid in set(self._containers) - set(pods):
            self._containers[uid].leave()
            if not self._containers[uid].is_alive():
                del self._containers[uid]

    def container(self, pod: Object) -> Container | None:
        """What runs for a Pod."""
        return self._containers.get(pod["metadata"]["uid"])

    def port(self, pod: Object | None) -> int:
        """Where a Pod's process listens; 0, where nobody does, without one."""
        container = self.container(pod) if pod is not None else None
        return container.port if container is not None else 0

    def close(self) -> None:
        """Ends every process at once."""
        for container in self._containers.values():
            container.kill()
        for container in self._containers.values():
            container.join()
