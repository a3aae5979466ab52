"""Knative's Revisions: how many Pods each has, and whether it is ready.

https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/revision_lifecycle.go
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.conditions import condition, set_condition, sum_up
from tests.kubernetes_stand_in.kinds import (
    DEPLOYMENT,
    KNATIVE_GROUP,
    POD,
    REVISION,
    ROUTE,
    key_of,
)
from tests.kubernetes_stand_in.owners import owner
from tests.kubernetes_stand_in.pod_status import QUEUE_PROXY, is_ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store

    Said = tuple[str, str, str]

AUTOSCALING = "autoscaling.knative.dev"

UNRESOLVED = ("dev.local/", "kind.local/", "ko.local/")
"""Registries that are asked for no digest (`registries-skipping-tag-resolving`)."""

BUFFERED = "Requests to the target are being buffered as resources are provisioned."

STARTING = ("Unknown", "Deploying", "")
GOOD = ("True", "", "")
NO_MINIMUM = (
    "False",
    "MinimumReplicasUnavailable",
    "Deployment does not have minimum availability.",
)
"""https://github.com/knative/serving/pull/14835."""


class Revisions:
    """Makes a Deployment of each Revision, and scales it.

    Attributes:
        window_s: How long without a request until a Revision's last Pod goes.
    """

    def __init__(self, store: Store, bundles: Mapping[str, Path], faults: Faults) -> None:
        self._store = store
        self._bundles = bundles
        self._faults = faults
        self.window_s = 3600.0
        self._used: dict[str, float] = {}

    def touch(self, revision: Object) -> None:
        """A request arrives for a Revision: it needs a Pod, and keeps it for the window."""
        uid, now = revision["metadata"]["uid"], time.monotonic()
        with self._store.changed:
            if now - self._used.get(uid, -self.window_s) >= self.window_s:
                self._store.changed.notify_all()
            self._used[uid] = now

    def sync(self) -> None:
        """Brings every Revision one step on."""
        for revision in self._store.of(REVISION):
            self._sync(revision)

    def pods(self, revision: Object) -> list[Object]:
        """A Revision's Pods that are not on their way out."""
        label = {f"{KNATIVE_GROUP}/revision": revision["metadata"]["name"]}
        found = self._store.selected(POD, revision["metadata"]["namespace"], label)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _sync(self, revision: Object) -> None:
        image = revision["spec"]["containers"][0]["image"]
        if "@" not in image and image not in self._bundles and not image.startswith(UNRESOLVED):
            said = {"ContainerHealthy": _missing(image), "ResourcesAvailable": STARTING}
            self._write(revision, said, wanted=0, ready=0)
            return
        reachable = self._is_reachable(revision)
        wanted = self._scale_of(revision, reachable=reachable)
        deployment = self._scale(revision, wanted)
        pods = self.pods(revision)
        ready = sum(map(is_ready, pods))
        if ready:
            self._used.setdefault(revision["metadata"]["uid"], time.monotonic())
        said = _judge(revision, deployment, pods, wanted=wanted, ready=ready)
        if self._faults.no_minimum and ready < wanted:
            self._faults.happened["no_minimum"] += 1
            said.setdefault("ResourcesAvailable", STARTING)
            if said["ResourcesAvailable"][0] != "False":
                said["ResourcesAvailable"] = NO_MINIMUM
        self._write(revision, said, wanted=wanted, ready=ready, reachable=reachable)

    def _write(
        self,
        revision: Object,
        said: Mapping[str, Said],
        *,
        wanted: int,
        ready: int,
        reachable: bool = False,
    ) -> None:
        def write(thing: Object) -> None:
            thing.setdefault("status", {}).update(
                {
                    "observedGeneration": thing["metadata"]["generation"],
                    "desiredReplicas": wanted,
                    "actualReplicas": ready,
                    "containerStatuses": [
                        {"name": each["name"], "imageDigest": each["image"]}
                        for each in thing["spec"]["containers"]
                    ],
                }
            )
            state = "active" if reachable else "reserve"
            thing["metadata"]["labels"][f"{KNATIVE_GROUP}/routingState"] = state
            for kind, words in said.items():
                set_condition(thing, kind, *words)
            sum_up(thing, ("ContainerHealthy", "ResourcesAvailable"))

        self._store.edit(key_of(revision), write)

    def _scale(self, revision: Object, wanted: int) -> Object:
        metadata = revision["metadata"]
        key = DEPLOYMENT.key(metadata["namespace"], f"{metadata['name']}-deployment")
        deployment = self._store.get(key)
        if deployment is None:
            return self._store.create(_deployment(revision, key[-1], wanted))
        deployment["spec"]["replicas"] = wanted
        return self._store.replace(deployment)

    def _is_reachable(self, revision: Object) -> bool:
        name = revision["metadata"]["name"]
        routes = self._store.of(ROUTE, revision["metadata"]["namespace"])
        targets = [target for route in routes for target in route["status"].get("traffic", [])]
        return any(
            target["revisionName"] == name and (target.get("percent") or "tag" in target)
            for target in targets
        )

    def _scale_of(self, revision: Object, *, reachable: bool) -> int:
        """How many Pods a Revision should have now."""
        uid = revision["metadata"]["uid"]
        annotations = revision["metadata"].get("annotations", {})
        least = int(annotations.get(f"{AUTOSCALING}/min-scale", 0)) if reachable else 0
        if condition(revision, "Ready")["status"] != "True":
            return max(least, int(annotations.get(f"{AUTOSCALING}/initial-scale", 1)))
        used = self._used.get(uid, time.monotonic())
        return max(least, 1) if time.monotonic() - used < self.window_s else least


def _judge(
    revision: Object, deployment: Object, pods: list[Object], *, wanted: int, ready: int
) -> dict[str, Said]:
    """The Revision's conditions, from what its Deployment and its first Pod say."""
    was_ready = condition(revision, "Ready")["status"] == "True"
    if ready:
        return {"Active": GOOD, "ContainerHealthy": GOOD, "ResourcesAvailable": GOOD}
    if was_ready and wanted == 0:
        return {"Active": ("False", "NoTraffic", "The target is not receiving traffic.")}
    if was_ready:
        return {"Active": ("Unknown", "Queued", BUFFERED)}
    said = {"Active": STARTING, "ContainerHealthy": STARTING, "ResourcesAvailable": STARTING}
    progressing = condition(deployment, "Progressing")
    failure = condition(deployment, "ReplicaFailure")
    timed_out = progressing.get("reason") == "ProgressDeadlineExceeded"
    if failure["status"] == "True":
        said["ResourcesAvailable"] = _false(failure)
    elif timed_out:
        said["ResourcesAvailable"] = _false(progressing)
    for pod in pods[:1]:
        said |= _judge_pod(pod, timed_out=timed_out)
    return said


def _judge_pod(pod: Object, *, timed_out: bool) -> dict[str, Said]:
    """https://github.com/knative/serving/blob/main/pkg/reconciler/revision/reconcile_resources.go."""
    said = {}
    scheduled = condition(pod, "PodScheduled")
    if scheduled["status"] == "False":
        said["ResourcesAvailable"] = _false(scheduled)
    for status in pod.get("status", {}).get("containerStatuses", [])[:1]:
        ended, waiting = status["lastState"].get("terminated"), status["state"].get("waiting")
        if ended:
            text = f"Container failed with: {ended.get('message', '')}"
            said["ContainerHealthy"] = ("False", f"ExitCode{ended['exitCode']}", text)
        elif waiting and timed_out:
            said["ResourcesAvailable"] = _false(waiting)
    return said


def _false(why: Object) -> Said:
    return "False", why["reason"], why.get("message", "")


def _missing(image: str) -> Said:
    """A tag without a digest; https://github.com/knative/serving/blob/main/pkg/reconciler/revision/resolve.go."""
    place, _, tag = image.rpartition(":")
    registry, _, name = place.partition("/")
    text = (
        f'Unable to fetch image "{image}": failed to resolve image to digest: HEAD '
        f"https://{registry}/v2/{name}/manifests/{tag}: unexpected status code 404 Not Found"
    )
    return "False", "ContainerMissing", text


def _deployment(revision: Object, name: str, replicas: int) -> Object:
    """What Knative makes of a Revision: the container, and the queue-proxy beside it."""
    metadata, spec = revision["metadata"], copy.deepcopy(revision["spec"])
    labels = metadata["labels"] | {
        f"{KNATIVE_GROUP}/revision": metadata["name"],
        f"{KNATIVE_GROUP}/revisionUID": metadata["uid"],
        "app": metadata["name"],
    }
    labels.pop(f"{KNATIVE_GROUP}/routingState", None)
    container = spec["containers"][0] | {"terminationMessagePolicy": "FallbackToLogsOnError"}
    port = container.get("ports", [{}])[0].get("containerPort", 8080)
    environment = {
        "PORT": str(port),
        "K_REVISION": metadata["name"],
        "K_CONFIGURATION": labels[f"{KNATIVE_GROUP}/configuration"],
        "K_SERVICE": labels[f"{KNATIVE_GROUP}/service"],
    }
    container["env"] = container.get("env", []) + [
        {"name": key, "value": value} for key, value in environment.items()
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner(revision)],
        },
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {f"{KNATIVE_GROUP}/revisionUID": metadata["uid"]}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"},
            },
            "template": {
                "metadata": {"labels": labels, "annotations": metadata["annotations"]},
                "spec": {
                    "containers": [container, {"name": QUEUE_PROXY, "image": QUEUE_PROXY}],
                    "terminationGracePeriodSeconds": spec["timeoutSeconds"],
                },
            },
        },
        "status": {},
    }
