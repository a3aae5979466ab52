"""What states of Pods are called in plain words. No cluster is asked for these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from liteship.deploy.kubernetes.rollout.pod_reasons import pod_reasons
from liteship.deploy.kubernetes.rollout.reasons import pods_refused

if TYPE_CHECKING:
    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.rollout.reasons import Reason

NOBODY = cast("Cluster", None)
"""Whoever asked it would fail."""


def pod(container: dict[str, Any], **more: Any) -> dict[str, Any]:
    proxy = {"name": "queue-proxy", "state": {"running": {}}, "restartCount": 0}
    mine = {"name": "digits", "image": "registry.example.com/digits:1", "restartCount": 0, **container}
    status = {"phase": "Pending", "containerStatuses": [proxy, mine], **more}
    return {"metadata": {"name": "digits-0"}, "status": status}


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def reason_of(item: dict[str, Any]) -> Reason:
    (reason,) = pod_reasons(NOBODY, [item], "digits")
    return reason


@pytest.mark.parametrize(
    ("why", "final"),
    [("ErrImagePull", False), ("ImagePullBackOff", True), ("InvalidImageName", True)],
)
def test_an_image_that_cannot_be_pulled(why: str, final: bool) -> None:
    reason = reason_of(pod(waiting(why, "no such host")))
    assert (reason.reference, reason.final) == ("image-not-pullable", final)
    assert "registry.example.com/digits:1" in reason.said
    assert "no such host" in reason.said


def test_a_missing_secret() -> None:
    reason = reason_of(pod(waiting("CreateContainerConfigError", 'secret "s3" not found')))
    assert (reason.reference, reason.final) == ("container-not-made", True)
    assert 'secret "s3" not found' in reason.said


def test_too_little_memory() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    reason = reason_of(pod(waiting("CrashLoopBackOff", "back-off") | {"lastState": ended}))
    assert (reason.reference, reason.final) == ("container-out-of-memory", True)
    assert "runtime.memory_mib" in reason.hint


def test_no_node() -> None:
    message = "0/3 nodes are available: 3 Insufficient cpu."
    conditions = [{"type": "PodScheduled", "status": "False", "message": message}]
    reason = reason_of(pod({}, containerStatuses=[], conditions=conditions))
    assert (reason.reference, reason.final) == ("pod-unschedulable", False)
    assert message in reason.said


def test_what_is_ready_going_or_not_yet_begun_has_no_reason() -> None:
    ready = pod({"state": {"running": {}}}, conditions=[{"type": "Ready", "status": "True"}])
    going = pod(waiting("ImagePullBackOff", ""))
    going["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    begun = pod(waiting("ContainerCreating", ""))
    assert pod_reasons(NOBODY, [ready, going, begun], "digits") == []


def test_the_same_reason_of_several_pods_is_told_once() -> None:
    pods = [pod(waiting("ImagePullBackOff", "not found")) for _ in range(3)]
    assert len(pod_reasons(NOBODY, pods, "digits")) == 1


def test_pods_that_are_refused_are_over_a_quota_or_against_a_rule() -> None:
    assert pods_refused("exceeded quota: compute").reference == "quota-exceeded"
    assert pods_refused("violates PodSecurity restricted").reference == "pods-refused"


def test_long_messages_are_cut() -> None:
    reason = reason_of(pod(waiting("ImagePullBackOff", "x" * 5000)))
    assert len(reason.said) < 600
