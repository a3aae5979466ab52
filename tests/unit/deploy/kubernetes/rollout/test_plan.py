"""What applying would change: differences of objects, and the replicas that an autoscaler chose."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from liteship.deploy.kubernetes.rollout.plan import (
    Plan,
    compare,
    keeping_replicas,
    keeping_template,
)

LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "digits",
        "labels": {"app.kubernetes.io/version": "1"},
        "resourceVersion": "41",
        "generation": 3,
        "uid": "4f1c",
        "creationTimestamp": "2026-11-22T10:00:00Z",
        "managedFields": [{"manager": "liteship"}],
    },
    "spec": {
        "replicas": 5,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "digits",
                        "image": "a",
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "args": ["x", "y"],
                    }
                ]
            }
        },
    },
    "status": {"availableReplicas": 5},
}


def changed() -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy of the object, and its container."""
    would = copy.deepcopy(LIVE)
    return would, would["spec"]["template"]["spec"]["containers"][0]


def fields(would: dict[str, Any]) -> dict[str, tuple[str, str]]:
    change = compare(LIVE, would)
    assert change.action == "changed"
    return {each.field: (each.before, each.after) for each in change.differences}


def test_what_is_not_there_is_created() -> None:
    change = compare(None, LIVE)
    assert (change.action, change.kind, change.name) == ("created", "Deployment", "digits")
    assert change.differences == ()


def test_what_the_server_counts_is_no_difference() -> None:
    would = copy.deepcopy(LIVE)
    would["metadata"] |= {
        "resourceVersion": "42",
        "generation": 4,
        "managedFields": [],
        "creationTimestamp": None,
        "uid": "other",
    }
    would["status"] = {}
    assert compare(LIVE, would).action == "unchanged"


def test_a_difference_is_named_by_the_names_on_its_way() -> None:
    would, container = changed()
    container["image"] = "b"
    container["env"] = [{"name": "B", "value": "3"}]
    assert fields(would) == {
        "spec.template.spec.containers[digits].image": ("a", "b"),
        "spec.template.spec.containers[digits].env[A]": ('{"name": "A", "value": "1"}', ""),
        "spec.template.spec.containers[digits].env[B].value": ("2", "3"),
    }


def test_lists_without_names_are_compared_by_position() -> None:
    would, container = changed()
    container["args"] = ["x", "z", "w"]
    assert fields(would) == {
        "spec.template.spec.containers[digits].args[1]": ("y", "z"),
        "spec.template.spec.containers[digits].args[2]": ("", "w"),
    }


def test_names_with_dots_stand_in_brackets() -> None:
    would, _ = changed()
    would["metadata"]["labels"]["app.kubernetes.io/version"] = "2"
    assert fields(would) == {"metadata.labels[app.kubernetes.io/version]": ("1", "2")}


def test_the_order_of_variables_is_no_difference() -> None:
    would, container = changed()
    container["env"].reverse()
    assert list(fields_or_none(would)) == []


def fields_or_none(would: dict[str, Any]) -> list[str]:
    return [each.field for each in compare(LIVE, would).differences]


def test_a_deployment_keeps_the_replicas_that_run() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3, "paused": True}}
    assert keeping_replicas(manifest, LIVE)["spec"] == {"replicas": 5, "paused": True}
    assert manifest["spec"] == {"replicas": 3, "paused": True}
    assert keeping_replicas(manifest, None) is manifest
    stopped = copy.deepcopy(LIVE)
    stopped["spec"]["replicas"] = 0
    assert keeping_replicas(manifest, stopped) is manifest
    other = {"apiVersion": "v1", "kind": "Service", "spec": {}}
    assert keeping_replicas(other, LIVE) is other


def knative_service(template: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": template}}


OURS: dict[str, Any] = {
    "metadata": {"name": "a-v1-0"},
    "spec": {"containers": [{"image": "a", "args": ["b"]}]},
}


def test_a_template_that_stands_keeps_what_knative_added() -> None:
    standing = copy.deepcopy(OURS)
    standing["metadata"]["creationTimestamp"] = None
    standing["spec"]["containers"][0]["resources"] = {}
    manifest = knative_service(OURS)
    kept = keeping_template(manifest, knative_service(standing))["spec"]["template"]
    assert kept == {"metadata": OURS["metadata"], "spec": standing["spec"]}
    assert manifest == knative_service(OURS)
    assert keeping_template(manifest, None) is manifest


@pytest.mark.parametrize("key", ["image", "args"])
def test_a_template_that_says_something_else_is_applied_as_it_is(key: str) -> None:
    standing = copy.deepcopy(OURS)
    standing["spec"]["containers"][0][key] = ["c", "d"]
    manifest = knative_service(OURS)
    assert keeping_template(manifest, knative_service(standing)) is manifest


@pytest.mark.parametrize("actions", [("unchanged",), ("unchanged", "created"), ("changed",)])
def test_a_plan_is_empty_where_nothing_differs(actions: tuple[str, ...]) -> None:
    would, container = changed()
    container["image"] = "b"
    made = {
        "unchanged": compare(LIVE, LIVE),
        "created": compare(None, LIVE),
        "changed": compare(LIVE, would),
    }
    plan = Plan(
        function="digits",
        platform="kubernetes",
        server="https://cluster.example.com",
        context="test",
        namespace="default",
        image="a",
        revision="",
        changes=tuple(made[action] for action in actions),
    )
    assert plan.is_empty == (set(actions) == {"unchanged"})
    assert [each["action"] for each in plan.fields()["changes"]] == list(actions)
