"""What conditions say is wrong, and when a rollout is done."""

from __future__ import annotations

from typing import Any

import pytest

from liteship.deploy.kubernetes.rollout.diagnosis import _condition_reasons
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
