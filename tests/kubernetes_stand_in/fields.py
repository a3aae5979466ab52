"""Which fields an object has: paths as `managedFields` writes them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
https://github.com/kubernetes-sigs/structured-merge-diff
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.kubernetes_stand_in.kinds import KNATIVE_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.kubernetes_stand_in.kinds import Object

Path = tuple[str, ...]
"""Steps in the form of fieldsV1: `f:NAME`, `k:{"name":"digits"}`, `v:"liteship"`."""

LIST_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists that are merged item by item, and what tells their items apart
(https://github.com/kubernetes/kubernetes/blob/master/api/openapi-spec/swagger.json,
x-kubernetes-list-map-keys)."""

SETS = ("finalizers",)

ATOMIC = ("selector", "labelSelector", "nodeSelector", "podSelector", "secretKeyRef", "configMapKeyRef")
"""Maps that belong to one manager as a whole (x-kubernetes-map-type)."""

UNOWNED = frozenset(
    [("f:apiVersion",), ("f:kind",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            *("name", "namespace", "uid", "resourceVersion", "generation"),
            *("creationTimestamp", "deletionTimestamp", "managedFields", "selfLink"),
        )
    ]
)
"""Nobody's: what names an object, and what the API server writes into it."""


class Shape:
    """How the lists and maps of one kind are merged.

    Knative's CRDs leave `containers`, `ports` and `traffic` atomic, and so what is in them
    (https://github.com/knative/serving/blob/main/config/core/300-resources/service.yaml).
    """

    def __init__(self, api_version: str, kind: str) -> None:
        self._knative = api_version.startswith(KNATIVE_GROUP)
        self._is_service = (api_version, kind) == ("v1", "Service")

    def keys(self, path: Path) -> tuple[str, ...] | None:
        """What tells a list's items apart; None for an atomic list."""
        name = path[-1].removeprefix("f:")
        if self._knative and path[0] == "f:spec":
            return None
        if name == "ports":
            inside = "port" if self._is_service else "containerPort"
            return (inside, "protocol") if "f:ingress" not in path and "f:egress" not in path else None
        return LIST_KEYS.get(name)

    def is_set(self, path: Path) -> bool:
        """Whether a list holds values that are merged one by one."""
        return path[-1].removeprefix("f:") in SETS

    def is_atomic(self, path: Path) -> bool:
        """Whether a map is replaced as a whole."""
        name = path[-1].removeprefix("f:") if path else ""
        return name in ATOMIC and not (self._knative and name in {"selector", "labelSelector"})


def step_of(item: Object, keys: tuple[str, ...]) -> str:
    """The step to an item of a list."""
    named = {key: item.get(key, "TCP" if key == "protocol" else None) for key in sorted(keys)}
    return "k:" + json.dumps(
        {key: value for key, value in named.items() if value is not None}, separators=(",", ":")
    )


def paths_of(value: Any, shape: Shape, path: Path = ()) -> set[Path]:
    """Every field that a manifest sets: its leaves, and the items of merged lists."""
    if path in UNOWNED:
        return set()
    if isinstance(value, dict) and value and not shape.is_atomic(path):
        found: set[Path] = set()
        for name, inner in value.items():
            found |= paths_of(inner, shape, (*path, f"f:{name}"))
        return found
    if isinstance(value, list) and value:
        if keys := shape.keys(path):
            found = set()
            for item in value:
                inside = (*path, step_of(item, keys))
                found |= {inside} | paths_of(item, shape, inside)
            return found
        if shape.is_set(path):
            return {(*path, f"v:{json.dumps(item)}") for item in value}
    return {path} if path else set()


MISSING = object()


def value_at(value: Any, path: Path) -> Any:
    """What stands at a path; `MISSING` where nothing does."""
    for step in path:
        kind, name = step[:2], step[2:]
        if kind == "f:":
            value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
        elif not isinstance(value, list):
            return MISSING
        elif kind == "k:":
            value = next((item for item in value if _is_item(item, json.loads(name))), MISSING)
        else:
            value = json.loads(name) if json.loads(name) in value else MISSING
        if value is MISSING:
            return MISSING
    return value


def remove_at(value: Any, path: Path) -> None:
    """Deletes a field, and the maps and lists that are empty for it."""
    *before, last = path
    parent = value_at(value, tuple(before))
    kind, name = last[:2], last[2:]
    if kind == "f:" and isinstance(parent, dict):
        parent.pop(name, None)
    elif kind == "k:" and isinstance(parent, list):
        parent[:] = [item for item in parent if not _is_item(item, json.loads(name))]
    elif kind == "v:" and isinstance(parent, list):
        parent[:] = [item for item in parent if item != json.loads(name)]
    if before and parent in ({}, []) and before[-1].startswith("f:"):
        remove_at(value, tuple(before))


def fields_v1(paths: Iterable[Path]) -> Object:
    """The nested form in which the API shows a set of fields."""
    paths = set(paths)
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        if path[-1].startswith("k:") or any(other[:-1] == path for other in paths):
            node["."] = {}
    return tree


def read_fields_v1(tree: Object, path: Path = ()) -> set[Path]:
    """The set of fields that a nested form shows."""
    found: set[Path] = set()
    for step, inner in tree.items():
        if step == ".":
            found.add(path)
        elif not inner:
            found.add((*path, step))
        else:
            found |= read_fields_v1(inner, (*path, step))
    return found


def dotted(path: Path) -> str:
    """As messages name a field: `.spec.template.spec.containers[name="digits"].image`."""
    text = ""
    for step in path:
        kind, name = step[:2], step[2:]
        if kind == "f:":
            text += f".{name}"
        elif kind == "k:":
            keys = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(name).items())
            text += f"[{keys}]"
        else:
            text += f"[={name}]"
    return text


def _is_item(item: Any, keys: Object) -> bool:
    return isinstance(item, dict) and all(
        item.get(key, "TCP" if key == "protocol" else None) == value for key, value in keys.items()
    )
