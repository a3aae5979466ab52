"""What conditions say is wrong, and when a rollout is done."""

from __future__ import annotations

from typing import Any

import pytest

from liteship.deploy.kubernetes.rollout.diagnosis import (
    _condition_reasons,
    _deployment_reasons,
    _is_moving,
)
from liteship.deploy.kubernetes.rollout.readiness import is_rolled_out


def thing(*conditions: tuple[str, str, str], generation: int = 2) -> dict[str, Any]:
    """An object whose conditions are False, for these reasons."""
    listed = [
        {"type": kind, "status": "False", "reason": reason, "message": message}
        for kind, reason, message in conditions
    ]
    return {
        "metadata": {"generation": generation},
        "status": {"observedGeneration": 2, "conditions": listed},
    }


def references(
    service: dict[str, Any], revision: dict[str, Any] | None = None, *, known: bool = False
) -> list[tuple[str, bool]]:
    reasons = _condition_reasons("digits", "digits-v1", service, revision, known=known)
    return [(each.reference, each.final) for each in reasons]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("ResourcesAvailable", "FailedCreate", "exceeded quota: x"), ("quota-exceeded", True)),
        (("ResourcesAvailable", "Unschedulable", "cpu"), ("pod-unschedulable", False)),
        (("ContainerHealthy", "ContainerMissing", "Unable to fetch"), ("image-not-pullable", True)),
        (("ContainerHealthy", "ExitCode1", "failed"), ("revision-failed", False)),
        (("ResourcesAvailable", "ProgressDeadlineExceeded", ""), ("revision-failed", True)),
    ],
)
def test_a_revisions_own_words(condition: tuple[str, str, str], expected: tuple[str, bool]) -> None:
    assert references(thing(), thing(condition)) == [expected]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("RoutesReady", "RevisionNameTaken", "taken"), ("revision-name-taken", True)),
        (
            ("RoutesReady", "RevisionMissing", 'Revision "x" referenced in traffic not found.'),
            ("revision-missing", True),
        ),
        (("ConfigurationsReady", "RevisionFailed", "failed"), ("revision-failed", True)),
    ],
)
def test_a_services_own_words(condition: tuple[str, str, str], expected: tuple[str, bool]) -> None:
    assert references(thing(condition)) == [expected]


def test_what_only_follows_from_what_is_known_is_left_out() -> None:
    service = thing(
        ("ConfigurationsReady", "RevisionFailed", "Revision failed with message: …"),
        ("RoutesReady", "RevisionMissing", "Configuration does not have any ready Revision."),
    )
    assert references(service, known=True) == []
    cause = thing(("ResourcesAvailable", "Unschedulable", "cpu"))
    assert references(service, cause) == [("pod-unschedulable", False)]


def test_a_name_that_is_taken_is_the_whole_story() -> None:
    service = thing(
        ("ConfigurationsReady", "RevisionFailed", "already exists"),
        ("RoutesReady", "RevisionNameTaken", "taken"),
    )
    assert references(service) == [("revision-name-taken", True)]


def test_conditions_of_the_state_before_say_nothing() -> None:
    assert references(thing(("RoutesReady", "RevisionNameTaken", ""), generation=3)) == []


def deployment_references(
    *conditions: tuple[str, str, str],
    generation: int = 2,
    paused: bool = False,
    begun_before: bool = False,
    moving: bool = False,
) -> list[tuple[str, bool]]:
    deployment = thing(*conditions, generation=generation) | {"spec": {"paused": paused}}
    for each in deployment["status"]["conditions"]:
        if each["type"] == "ReplicaFailure":
            each["status"] = "True"
    reasons = _deployment_reasons("digits", deployment, begun_before=begun_before, moving=moving)
    return [(each.reference, each.final) for each in reasons]


STUCK = ("Progressing", "ProgressDeadlineExceeded", "has timed out progressing")
REFUSED = ("ReplicaFailure", "FailedCreate", "exceeded quota: compute")


def test_a_deployments_own_words() -> None:
    assert deployment_references() == []
    assert deployment_references(STUCK, REFUSED) == [("quota-exceeded", True), ("rollout-stuck", True)]
    assert deployment_references(STUCK, REFUSED, generation=3) == []  # of the template before
    assert deployment_references(paused=True) == [("rollout-paused", True)]


def test_a_rollout_that_was_stuck_before_may_come_on() -> None:
    assert deployment_references(STUCK, begun_before=True) == [("rollout-stuck", False)]


def pod(*, ready: bool = True, ending: bool = False) -> dict[str, Any]:
    metadata = {"deletionTimestamp": "2026-11-22T10:00:00Z"} if ending else {}
    status = "True" if ready else "False"
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": status}]}}


@pytest.mark.parametrize(
    ("pods", "older", "moving"),
    [
        ([], [], False),
        ([pod(), pod()], [], False),  # no old Pod makes room any more
        ([pod(ready=False)], [pod()], False),
        ([pod()], [pod()], True),
        ([], [pod(ending=True)], True),
        ([pod(ending=True)], [], True),
    ],
)
def test_a_quota_is_waited_for_while_old_pods_end(pods: Any, older: Any, moving: bool) -> None:
    assert _is_moving(pods, older) == moving
    assert deployment_references(REFUSED, moving=moving) == [("quota-exceeded", not moving)]


DONE = {"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({}, True),
        ({"observedGeneration": 1}, False),
        ({"updatedReplicas": 2}, False),
        ({"replicas": 4}, False),  # one of the version before runs still
        ({"availableReplicas": 2}, False),
    ],
)
def test_a_rollout_is_done_with_all_pods_new_and_available(status: dict[str, int], done: bool) -> None:
    deployment = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 3},
        "status": DONE | status,
    }
    assert is_rolled_out(deployment) == done


def test_a_rollout_that_was_not_looked_at_is_not_done() -> None:
    assert not is_rolled_out({"metadata": {"generation": 1}, "spec": {}})
