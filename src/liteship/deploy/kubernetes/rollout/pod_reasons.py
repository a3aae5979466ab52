"""Why Pods do not become ready.

What the kubelet calls the states of a container:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.labels import CONTAINER_PORT
from liteship.deploy.kubernetes.rollout.reasons import Reason, image_not_pullable, short, unschedulable
from liteship.deploy.kubernetes.traffic.revisions import condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster

    Object = Mapping[str, Any]

IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}
"""https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go"""

FIRST_TRIES = {"ErrImagePull", "RegistryUnavailable"}
"""Of these: the kubelet tries again at once, and says `ImagePullBackOff` when it gives itself time."""

CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

MANY_RESTARTS = 2
"""A container that has ended so often will end again."""

ANSWER_TIMEOUT_S = 3.0
"""A firewall between API server and Pods, which swallows questions, must not hold up the wait, nor must
a server that loads its model."""

LOG_LINES = 20
"""From the end of a log: the last one that is not empty is quoted."""


def pod_reasons(cluster: Cluster, pods: Iterable[Object], container: str) -> list[Reason]:
    """Why Pods are not ready, the same reason of several Pods once.

    Args:
        cluster: Where they are.
        pods: The live objects.
        container: The name of the function's own container in them.
    """
    found: dict[str, Reason] = {}
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"]:
            continue
        reason = _pod_reason(cluster, pod, container)
        if reason is not None:
            # Pods of one template differ in their names, and in what they log
            found.setdefault(reason.reference, reason)
    return list(found.values())


def _pod_reason(cluster: Cluster, pod: Object, container: str) -> Reason | None:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if condition(pod, "Ready").get("status") == "True":
        return None
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return unschedulable(name, scheduled.get("message") or scheduled.get("reason") or "")
    statuses = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    for each in sorted(statuses, key=lambda each: each["name"] != container):
        reason = _container_reason(cluster, name, each)
        if reason is not None:
            return reason
    running: Object = next((each for each in statuses if each["name"] == container), {})
    if "running" in (running.get("state") or {}):
        return _readiness_reason(cluster, name)
    if status.get("reason"):  # Evicted, NodeLost, …
        said = f"the Pod {name}: {_joined(status.get('reason'), status.get('message'))}"
        return Reason(
            reference="pod-failed", said=said, hint=f"kubectl describe pod {name}", final=False
        )
    return None


def _container_reason(cluster: Cluster, pod: str, status: Object) -> Reason | None:
    """Why a container does not run; None where it does, or has not been tried yet."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    why = waiting.get("reason", "")
    if why in IMAGE_REASONS:
        return image_not_pullable(
            status.get("image") or "of " + status["name"],
            _joined(why, waiting.get("message")),
            final=why not in FIRST_TRIES,
        )
    if why in CONFIG_REASONS:
        said = f"the container {status['name']} cannot be made: {_joined(why, waiting.get('message'))}"
        return Reason(
            reference="container-not-made",
            said=said,
            hint="create the secret or the like that it names in this namespace; kubectl describe pod "
            f"{pod} says more",
            final=True,
        )
    restarts = status.get("restartCount", 0)
    if ended is None or (ended.get("exitCode") == 0 and not why):
        return None
    return _exit_reason(
        cluster, pod, status, ended, final=why == "CrashLoopBackOff" or restarts >= MANY_RESTARTS
    )


def _exit_reason(cluster: Cluster, pod: str, status: Object, ended: Object, *, final: bool) -> Reason:
    name = status["name"]
    if ended.get("reason") == "OOMKilled":
        return Reason(
            reference="container-out-of-memory",
            said=f"the container {name} was ended: it used more memory than its limit (OOMKilled)",
            hint="raise runtime.memory_mib in function.toml, then: liteship render, and deploy again",
            final=final,
        )
    restarted = "running" in (status.get("state") or {})
    line = _last_line(cluster, pod, name, restarted=restarted) or ended.get("message") or ""
    says = f"; the last line of its log: {short(line)}" if line else "; it logged nothing"
    return Reason(
        reference="container-exits",
        said=f"the container {name} exits with code {ended.get('exitCode')}{says}",
        hint=f"mend what the log names; all of it: kubectl logs {pod} -c {name}"
        + (" --previous" if restarted else ""),
        final=final,
    )


def _last_line(cluster: Cluster, pod: str, container: str, *, restarted: bool) -> str:
    """What a container said last before it ended; empty where its log cannot be had.

    While it waits for its next start, its newest log is that of the one that ended; once it runs
    again, that log is the `previous` one.
    """
    for previous in (restarted, not restarted):
        try:
            lines = list(cluster.logs(pod, container, previous=previous, tail=LOG_LINES))
        except ClusterError:
            continue
        texts = [line.partition(" ")[2].strip() for line in lines]  # without the time stamp
        if any(texts):
            return next(text for text in reversed(texts) if text)
    return ""


def _readiness_reason(cluster: Cluster, pod: str) -> Reason | None:
    """What the server itself answers to the readiness probe; None where that is ready by now."""
    try:
        status, body = cluster.ask_pod(
            pod, CONTAINER_PORT, "GET", "/health/ready", timeout_s=ANSWER_TIMEOUT_S
        )
    except ClusterError:
        return None  # may not be asked, or cannot be reached: its events say what the probe meets
    if 200 <= status < 300:
        return None
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or "reference" not in fields:
        return None  # the API server's own word: nobody listens yet
    reference = str(fields["reference"])
    return Reason(
        reference="readiness-fails",
        said=f"the Pod {pod} runs, but /health/ready answers {status}: "
        f"{short(str(fields.get('error')))} ({reference})",
        hint=str(fields.get("hint") or f"kubectl logs {pod} says more"),
        # A model that is read from a store or a volume may come yet
        final=not reference.startswith("model-"),
    )


def _joined(reason: object, message: object) -> str:
    return ": ".join(str(each) for each in (reason, message) if each)
