"""Server-side apply, and who manages which field.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.kubernetes_stand_in.fields import (
    MISSING,
    Path,
    Shape,
    dotted,
    fields_v1,
    paths_of,
    read_fields_v1,
    remove_at,
    step_of,
    value_at,
)
from tests.kubernetes_stand_in.statuses import Refusal
from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object


@dataclass(frozen=True, order=True)
class Manager:
    """One entry of `managedFields`, without what it manages."""

    name: str
    operation: str
    subresource: str
    api_version: str
    time: str

    def described(self) -> str:
        """As messages about conflicts name it (`printManager` in apimachinery's managedfields)."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            text += f" using {self.api_version}"
        return text


Managers = dict[Manager, set[Path]]


def apply(live: Object | None, wanted: Object, manager: str, *, force: bool) -> Object:
    """What an object is after a manifest was applied to it.

    Raises:
        Refusal: 409 with a cause for each field that somebody else manages with another value.
    """
    shape = Shape(wanted["apiVersion"], wanted["kind"])
    wanted = copy.deepcopy(wanted)
    for name in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        wanted["metadata"].pop(name, None)
    fields = paths_of(wanted, shape)
    managers = read_managers(live or {})
    mine = next((each for each in managers if _is(each, manager, "Apply")), None)
    others = {each: paths for each, paths in managers.items() if each != mine}
    merged: Object = _merged(copy.deepcopy(live or {}), wanted, shape, ())
    if conflicts := _conflicts(live or {}, wanted, fields, others):
        if not force:
            raise _refused(conflicts)
        for each, paths in conflicts.items():
            others[each] = others[each] - paths
    before = managers[mine] if mine else set()
    kept = fields.union(*others.values())
    for path in sorted(before - fields, key=len):
        if not any(other[: len(path)] == path for other in kept):
            remove_at(merged, path)
    entry = Manager(manager, "Apply", "", wanted["apiVersion"], mine.time if mine else now())
    if fields != before:
        entry = Manager(manager, "Apply", "", wanted["apiVersion"], now())
    _write_managers(merged, {entry: fields, **others})
    return merged


def record_update(live: Object | None, changed: Object, manager: str, subresource: str = "") -> None:
    """Gives the fields in which an object differs to who changed them, in place."""
    shape = Shape(changed["apiVersion"], changed["kind"])
    after, before = paths_of(changed, shape), paths_of(live or {}, shape)
    written = {path for path in after if _differs(live or {}, changed, path)}
    gone = before - after
    managers = {
        each: {path for path in paths if path not in gone and path not in written}
        for each, paths in read_managers(live or {}).items()
    }
    mine = next((each for each in managers if _is(each, manager, "Update", subresource)), None)
    had = managers.pop(mine) if mine else set()
    if written:
        entry = Manager(manager, "Update", subresource, changed["apiVersion"], now())
        managers[entry] = had | written
    elif mine and had:
        managers[mine] = had
    _write_managers(changed, managers)


def read_managers(thing: Object) -> Managers:
    """Who manages what."""
    return {
        Manager(
            entry["manager"],
            entry["operation"],
            entry.get("subresource", ""),
            entry["apiVersion"],
            entry["time"],
        ): read_fields_v1(entry["fieldsV1"])
        for entry in thing.get("metadata", {}).get("managedFields", [])
    }


def merge_patch(value: Any, patch: Any) -> Any:
    """https://www.rfc-editor.org/rfc/rfc7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, inner in patch.items():
        if inner is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), inner)
    return result


def _is(manager: Manager, name: str, operation: str, subresource: str = "") -> bool:
    return (manager.name, manager.operation, manager.subresource) == (name, operation, subresource)


def _write_managers(thing: Object, managers: Managers) -> None:
    thing["metadata"]["managedFields"] = [
        {
            "manager": each.name,
            "operation": each.operation,
            "apiVersion": each.api_version,
            "time": each.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields_v1(paths),
            **({"subresource": each.subresource} if each.subresource else {}),
        }
        for each, paths in sorted(managers.items(), key=_oldest_first)
        if paths
    ]


def _oldest_first(entry: tuple[Manager, set[Path]]) -> tuple[str, str, str]:
    return entry[0].operation, entry[0].time, entry[0].name


def _merged(live: Any, wanted: Any, shape: Shape, path: Path) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict) and not shape.is_atomic(path):
        for name, value in wanted.items():
            live[name] = _merged(live.get(name), value, shape, (*path, f"f:{name}"))
        return live
    if isinstance(live, list) and isinstance(wanted, list) and path:
        if keys := shape.keys(path):
            rest = {step_of(item, keys): item for item in live}
            items = []
            for item in wanted:
                step = step_of(item, keys)
                items.append(_merged(rest.pop(step, None), item, shape, (*path, step)))
            return items + list(rest.values())
        if shape.is_set(path):
            return live + [item for item in wanted if item not in live]
    return wanted


def _conflicts(live: Object, wanted: Object, fields: set[Path], others: Managers) -> Managers:
    """What others manage and have another value of."""
    found: Managers = {}
    for each, paths in others.items():
        taken = {
            path
            for path in paths & fields
            if not path[-1].startswith(("k:", "v:")) and _differs(live, wanted, path)
        }
        if taken:
            found[each] = taken
    return found


def _differs(one: Object, other: Object, path: Path) -> bool:
    mine, yours = value_at(one, path), value_at(other, path)
    return (mine is MISSING) != (yours is MISSING) or (mine is not MISSING and mine != yours)


def _refused(conflicts: Managers) -> Refusal:
    """https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go."""
    ordered = [(each, path) for each in sorted(conflicts) for path in sorted(conflicts[each])]
    if len(ordered) == 1:
        each, path = ordered[0]
        text = f"Apply failed with 1 conflict: conflict with {each.described()}: {dotted(path)}"
    else:
        groups = [
            "\n".join(
                [
                    f"conflicts with {each.described()}:",
                    *(f"- {dotted(path)}" for path in sorted(conflicts[each])),
                ]
            )
            for each in sorted(conflicts)
        ]
        text = f"Apply failed with {len(ordered)} conflicts: " + "\n".join(groups)
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {each.described()}",
            "field": dotted(path),
        }
        for each, path in ordered
    ]
    return Refusal(409, "Conflict", text, {"causes": causes})
