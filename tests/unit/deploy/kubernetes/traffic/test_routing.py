"""How a division becomes spec.traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from liteship.deploy.kubernetes.traffic.revisions import (
    Revision,
    find_revision,
    newest_ready,
    not_ready,
)
from liteship.deploy.kubernetes.traffic.routing import routing_of
from liteship.deploy.kubernetes.traffic.targets import LATEST, Target, plan_targets
from liteship.errors import DeploymentError


def revision(name: str, version: str, **changes: Any) -> Revision:
    made = Revision(
        name=name,
        version=version,
        created="2026-11-22T10:00:00Z",
        ready=True,
        reason="",
        image="",
        percent=0,
        tag="",
        url="",
        latest=False,
    )
    return replace(made, **changes)


NEW, MIDDLE, OLD = revision("d-c", "3", latest=True), revision("d-b", "2"), revision("d-a", "1")
ALL = [NEW, MIDDLE, OLD]


def test_what_has_traffic_and_the_newest_ready_get_tags() -> None:
    assert plan_targets({"d-b": 100}, [], ALL) == [Target("d-b", 100, "v2"), Target("d-c", 0, "v3")]
    assert plan_targets({"d-a": 90, "d-c": 10, "d-b": 0}, [], ALL) == [
        Target("d-a", 90, "v1"),
        Target("d-c", 10, "v3"),
    ]


def test_a_tag_never_follows_the_newest() -> None:
    """Else `v3` would lead to version 4 as soon as that is deployed."""
    assert plan_targets({LATEST: 100}, [], ALL) == [Target(LATEST, 100), Target("d-c", 0, "v3")]


def test_an_unready_newest_gets_no_tag() -> None:
    """A Route with one target that is not ready is not carried out at all."""
    failed = revision("d-d", "4", ready=False, reason="ExitCode1")
    assert plan_targets({"d-c": 100}, [], [failed, *ALL]) == [Target("d-c", 100, "v3")]


def test_of_two_revisions_of_one_version_the_newer_gets_the_tag() -> None:
    settings = revision("d-b2", "2", latest=True)
    found = plan_targets({"d-b": 100}, [], [settings, MIDDLE, OLD])
    assert found == [Target("d-b", 100), Target("d-b2", 0, "v2")]


def test_tags_of_somebody_else_stay_and_ours_do_not_pile_up() -> None:
    present = [
        Target("d-a", 100, "v1"),
        Target("d-b", 0, "v2"),
        Target("d-b", 0, "green"),
        Target(LATEST, 0, "edge"),
        Target("d-gone", 0, "left"),
    ]
    assert plan_targets({"d-c": 100}, present, ALL) == [
        Target("d-c", 100, "v3"),
        Target("d-b", 0, "green"),
        Target(LATEST, 0, "edge"),
    ]
    assert plan_targets({"d-b": 100}, [Target("d-b", 100, "green")], ALL)[-1] == Target(
        "d-b", 0, "green"
    )


def test_versions_that_make_no_host_name_get_no_tag() -> None:
    assert plan_targets({"x": 100}, [], [revision("x", "1.2")]) == [Target("x", 100)]
    assert plan_targets({"x": 100}, [], [revision("x", "")]) == [Target("x", 100)]
    assert plan_targets({"x": 100}, [], [revision("x", "vgg-2")]) == [Target("x", 100, "vgg-2")]


def test_targets_are_written_as_knative_fills_them_in() -> None:
    assert Target("d-a", 10, "v1").manifest() == {
        "latestRevision": False,
        "revisionName": "d-a",
        "percent": 10,
        "tag": "v1",
    }
    assert Target(LATEST, 100).manifest() == {"latestRevision": True, "percent": 100}


def test_a_service_is_read() -> None:
    service = {
        "metadata": {"generation": 4, "resourceVersion": "77"},
        "spec": {
            "traffic": [
                {"latestRevision": True, "percent": 60},
                {"revisionName": "d-c", "tag": "v3"},
                {"revisionName": "d-a", "latestRevision": False, "percent": 40, "tag": "v1"},
            ]
        },
        "status": {
            "traffic": [
                {"latestRevision": True, "revisionName": "d-c", "percent": 60},
                {"revisionName": "d-c", "tag": "v3", "url": "http://v3-d.x"},
                {"revisionName": "d-a", "percent": 40, "tag": "v1", "url": "http://v1-d.x"},
            ]
        },
    }
    found = routing_of(service)
    assert found.percents == {"d-c": 60, "d-a": 40}
    assert found.asked == {LATEST: 60, "d-a": 40}
    assert found.targets[1] == Target("d-c", 0, "v3")
    assert found.follows_latest
    assert (found.generation, found.resource_version) == (4, "77")


def test_a_new_service_sends_everything_to_the_newest() -> None:
    found = routing_of({"metadata": {}, "spec": {}})
    assert (found.asked, found.percents) == ({LATEST: 100}, {})


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("3", "d-c"), ("v3", "d-c"), ("d-b", "d-b"), ("v1", "d-a"), ("gg", "d-g"), ("vgg", "d-v")],
)
def test_a_word_means_a_version_or_a_revision(wanted: str, name: str) -> None:
    known = [*ALL, revision("d-g", "gg"), revision("d-v", "vgg")]
    assert find_revision(known, wanted).name == name


def test_several_revisions_of_a_version_mean_the_newest_ready_one() -> None:
    same = [
        revision("c", "2", ready=False, reason="ExitCode1"),
        revision("b", "2"),
        revision("a", "2"),
    ]
    assert find_revision(same, "v2").name == "b"
    assert find_revision(same[:1], "v2").name == "c"
    assert find_revision(same, "c").name == "c"


def test_an_unknown_version_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DeploymentError) as raised:
        find_revision(ALL, "v4")
    assert raised.value.reference == "version-missing"
    assert raised.value.expected == "one of v3, v2, v1"
    with pytest.raises(DeploymentError):
        find_revision([revision("x", "")], "v")


def test_the_newest_ready_one_is_the_one_that_knative_counts() -> None:
    assert newest_ready([replace(NEW, latest=False), replace(MIDDLE, latest=True), OLD]) == replace(
        MIDDLE, latest=True
    )
    assert newest_ready([replace(NEW, ready=False), MIDDLE, OLD]) == MIDDLE
    assert newest_ready([replace(NEW, ready=False)]) is None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "not yet ready"),
        ({"type": "Ready", "status": "True"}, ""),
        ({"type": "Ready", "status": "Unknown", "reason": "Deploying"}, "not yet ready (Deploying)"),
        ({"type": "Ready", "status": "False", "reason": "A", "message": "b"}, "A: b"),
        ({"type": "Ready", "status": "False"}, "it failed"),
    ],
)
def test_why_a_revision_is_not_ready(status: dict[str, str], said: str) -> None:
    assert (
        not_ready({"status": {"conditions": [{"type": "Active", "status": "False"}, status]}}) == said
    )
