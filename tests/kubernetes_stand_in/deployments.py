"""The Deployment controller: ReplicaSets, Pods, and what is said about them."""

from __future__ import annotations

import copy
import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.conditions import condition, set_condition
from tests.kubernetes_stand_in.events import tell
from tests.kubernetes_stand_in.kinds import DEPLOYMENT, POD, REPLICA_SET, key_of
from tests.kubernetes_stand_in.owners import owned_by, owner
from tests.kubernetes_stand_in.pod_status import is_ready

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store

REVISION = "deployment.kubernetes.io/revision"


class Deployments:
    """Rolling updates: a Pod goes once its successor is ready.

    Attributes:
        most_replicas: Runs at most so many Pods a Deployment, whatever it says; None is no limit.
        deadline_s: Instead of every `progressDeadlineSeconds`; None is what the Deployment says.
    """

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.most_replicas: int | None = None
        self.deadline_s: float | None = None
        self._progress: dict[str, tuple[tuple[object, ...], float]] = {}

    def sync(self) -> None:
        """Brings every Deployment one step on."""
        for deployment in self._store.of(DEPLOYMENT):
            with self._store.changed:
                self._sync(deployment)

    def _sync(self, deployment: Object) -> None:
        if deployment["spec"].get("paused"):
            self._store.edit(key_of(deployment), _report_pause)
            return
        wanted = deployment["spec"].get("replicas", 1)
        if self.most_replicas is not None:
            wanted = min(wanted, self.most_replicas)
        current = self._current_set(deployment)
        sets = [each for each in self._store.of(REPLICA_SET) if owned_by(each, deployment)]
        older = [each for each in sets if key_of(each) != key_of(current)]
        failure = self._scale(deployment, current, older, wanted)
        self._report(deployment, current, older, wanted, failure)

    def _current_set(self, deployment: Object) -> Object:
        """The ReplicaSet of the Deployment's template as it is now."""
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        name = f"{metadata['name']}-{digest}"
        key = REPLICA_SET.key(metadata["namespace"], name)
        sets = [each for each in self._store.of(REPLICA_SET) if owned_by(each, deployment)]
        numbers = [int(each["metadata"]["annotations"][REVISION]) for each in sets]
        made = self._store.get(key)
        if made is not None:
            number = int(made["metadata"]["annotations"][REVISION])
            if number < max(numbers):
                made["metadata"]["annotations"][REVISION] = str(max(numbers) + 1)
                made = self._store.replace(made)
        else:
            made = self._store.create(
                _replica_set(deployment, name, digest, max(numbers, default=0) + 1)
            )
        number = int(made["metadata"]["annotations"][REVISION])

        def note(thing: Object) -> None:
            thing["metadata"].setdefault("annotations", {})[REVISION] = str(number)

        self._store.edit(key_of(deployment), note)
        return made

    def _scale(self, deployment: Object, current: Object, older: list[Object], wanted: int) -> str:
        """Makes Pods and lets others go; gives why a Pod could not be made."""
        surge, unavailable = _bounds(deployment, wanted)
        mine = self._pods(current)
        others = [pod for each in older for pod in self._pods(each)]
        failure = ""
        if wanted == 0:
            missing, surplus = 0, [*mine, *others]
        else:
            missing = min(wanted - len(mine), wanted + surge - len(mine) - len(others))
            surplus = sorted(mine, key=is_ready)[: max(0, len(mine) - wanted)]
            broken = [pod for pod in others if not is_ready(pod)]
            ready = [pod for pod in others if is_ready(pod)]
            spare = sum(map(is_ready, mine)) + len(ready) - (wanted - unavailable)
            surplus += broken + ready[: max(0, min(len(ready), spare))]
        for _ in range(missing):
            failure = failure or self._make_pod(current)
        for pod in surplus:
            self._store.remove(key_of(pod))
        return failure

    def _make_pod(self, replica_set: Object) -> str:
        """Makes a Pod; gives the refusal where a quota does not allow it."""
        template = copy.deepcopy(replica_set["spec"]["template"])
        name = f"{replica_set['metadata']['name']}-{uuid.uuid4().hex[:5]}"
        if self._faults.pod_quota:
            self._faults.happened["pod_quota"] += 1
            failure = f'pods "{name}" is forbidden: exceeded quota: {self._faults.pod_quota}'
            known = condition(replica_set, "ReplicaFailure").get("message", "")
            if known:
                return str(known)
            tell(
                self._store,
                replica_set,
                "Warning",
                "FailedCreate",
                f"Error creating: {failure}",
                "replicaset-controller",
            )

            def note(thing: Object) -> None:
                set_condition(thing, "ReplicaFailure", "True", "FailedCreate", failure)

            self._store.edit(key_of(replica_set), note)
            return failure
        self._store.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": template.get("metadata", {})
                | {
                    "name": name,
                    "namespace": replica_set["metadata"]["namespace"],
                    "ownerReferences": [owner(replica_set)],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            }
        )
        return ""

    def _report(
        self, deployment: Object, current: Object, older: list[Object], wanted: int, failure: str
    ) -> None:
        mine = self._pods(current)
        others = [pod for each in older for pod in self._pods(each)]
        ready = sum(map(is_ready, [*mine, *others]))
        updated_ready = sum(map(is_ready, mine))
        done = updated_ready == len(mine) == wanted and not others
        late = self._is_late(deployment, current, (len(mine), updated_ready, len(others), wanted), done)
        _, unavailable = _bounds(deployment, wanted)

        def write(thing: Object) -> None:
            status = thing.setdefault("status", {})
            for name, count in {
                "replicas": len(mine) + len(others),
                "updatedReplicas": len(mine),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "unavailableReplicas": max(0, wanted - ready),
            }.items():
                status.pop(name, None)
                if count:
                    status[name] = count
            status["observedGeneration"] = thing["metadata"]["generation"]
            if ready >= wanted - unavailable:
                text = "Deployment has minimum availability."
                set_condition(thing, "Available", "True", "MinimumReplicasAvailable", text)
            else:
                text = "Deployment does not have minimum availability."
                set_condition(thing, "Available", "False", "MinimumReplicasUnavailable", text)
            name = f'ReplicaSet "{current["metadata"]["name"]}"'
            if late:
                text = f"{name} has timed out progressing."
                set_condition(thing, "Progressing", "False", "ProgressDeadlineExceeded", text)
            elif done:
                text = f"{name} has successfully progressed."
                set_condition(thing, "Progressing", "True", "NewReplicaSetAvailable", text)
            else:
                text = f"{name} is progressing."
                set_condition(thing, "Progressing", "True", "ReplicaSetUpdated", text)
            _set_failure(thing, failure)

        self._store.edit(key_of(deployment), write)
        for each in (current, *older):
            self._report_set(each, wanted if each is current else 0)

    def _report_set(self, replica_set: Object, wanted: int) -> None:
        pods = self._pods(replica_set)

        def write(thing: Object) -> None:
            thing["spec"]["replicas"] = wanted or len(pods)
            ready = sum(map(is_ready, pods))
            counts = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
            status = thing.setdefault("status", {})
            status |= counts | {"observedGeneration": thing["metadata"]["generation"]}

        self._store.edit(key_of(replica_set), write)

    def _is_late(
        self, deployment: Object, current: Object, state: tuple[object, ...], done: bool
    ) -> bool:
        """Whether nothing has come on for longer than the deadline."""
        uid = deployment["metadata"]["uid"]
        state = (current["metadata"]["uid"], *state)
        before, since = self._progress.get(uid, ((), 0.0))
        if done or before != state:
            self._progress[uid] = (state, time.monotonic())
            return False
        deadline_s = self.deadline_s
        if deadline_s is None:
            deadline_s = deployment["spec"].get("progressDeadlineSeconds", 600)
        return time.monotonic() - since > deadline_s

    def _pods(self, replica_set: Object) -> list[Object]:
        """Those that are not on their way out."""
        return [
            pod
            for pod in self._store.of(POD, replica_set["metadata"]["namespace"])
            if owned_by(pod, replica_set) and "deletionTimestamp" not in pod["metadata"]
        ]


def _replica_set(deployment: Object, name: str, digest: str, number: int) -> Object:
    template = copy.deepcopy(deployment["spec"]["template"])
    label = {"pod-template-hash": digest}
    template.setdefault("metadata", {}).setdefault("labels", {}).update(label)
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector.setdefault("matchLabels", {}).update(label)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {REVISION: str(number)},
            "ownerReferences": [owner(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }


def _report_pause(deployment: Object) -> None:
    status = deployment.setdefault("status", {})
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        status.pop("updatedReplicas", None)
    status["observedGeneration"] = deployment["metadata"]["generation"]
    set_condition(deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")


def _bounds(deployment: Object, wanted: int) -> tuple[int, int]:
    """How many Pods more, and how many fewer, an update may have."""
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
    surge = _count(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = _count(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return (surge or int(unavailable == 0)), unavailable


def _count(value: int | str, wanted: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * wanted
    return -(-hundredths // 100) if up else hundredths // 100


def _set_failure(thing: Object, failure: str) -> None:
    if failure:
        set_condition(thing, "ReplicaFailure", "True", "FailedCreate", failure)
    else:
        conditions = thing["status"]["conditions"]
        conditions[:] = [each for each in conditions if each["type"] != "ReplicaFailure"]
