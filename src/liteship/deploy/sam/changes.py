"""What CloudFormation would do to each resource, from the template that stands and the one to come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from liteship.deploy.sam.intrinsics import is_intrinsic, with_names, with_parameters
from liteship.deploy.sam.replacement import CREATE_ONLY, LOSSES
from liteship.deploy.sam.translate import base_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Action = Literal["created", "updated", "replaced", "published", "removed", "unchanged"]
"""`published`: a version or layer gets a successor, and the earlier one stays in the account."""

_ORDER: tuple[Action, ...] = ("replaced", "removed", "created", "published", "updated", "unchanged")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property that changes.

    Attributes:
        property: Its path, such as `Environment.Variables.LITESHIP_MAX_PIXELS`.
        before: Its value as text; empty where there was none.
        after: Likewise.
    """

    property: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource.

    Attributes:
        logical_id: Its name in the template, without a version's or layer's digest.
        type: `AWS::Lambda::Function`.
        action: What CloudFormation does.
        differences: Why. A version's are those of its function.
        loss: What is lost by it; empty where nothing is.
    """

    logical_id: str
    type: str
    action: Action
    differences: tuple[Difference, ...] = ()
    loss: str = ""


@dataclass(frozen=True, kw_only=True)
class _Resource:
    full_id: str
    type: str
    properties: dict[str, Any]
    stays: bool


def compare(
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any],
    *,
    old_parameters: Mapping[str, str],
    new_parameters: Mapping[str, str],
) -> list[Change]:
    """Every resource of two translated templates and what happens to it, the gravest first.

    Args:
        old: What stands; None where nothing does.
        new: What is to come.
        old_parameters: The values that `old` was deployed with.
        new_parameters: The values that `new` is to be deployed with.
    """
    before = _resources(old, old_parameters) if old is not None else {}
    after = _resources(new, new_parameters)
    # What is made anew has a new name in AWS: whatever refers to it changes with it
    renewed: set[str] = set()
    while True:
        changes = _compare_once(before, after, renewed)
        found = {each.logical_id for each in changes if each.action in {"replaced", "published"}}
        if found <= renewed:
            break
        renewed |= found
    return sorted(changes, key=lambda each: _ORDER.index(each.action))


def _compare_once(
    before: Mapping[str, _Resource], after: Mapping[str, _Resource], renewed: set[str]
) -> list[Change]:
    old_names = {each.full_id: name for name, each in before.items()}
    new_names = {
        each.full_id: f"{name} (new)" if name in renewed else name for name, each in after.items()
    }
    changes = []
    for name, resource in after.items():
        earlier = before.get(name)
        if earlier is None:
            changes.append(Change(logical_id=name, type=resource.type, action="created"))
            continue
        differences = tuple(
            _differences(
                with_names(earlier.properties, old_names), with_names(resource.properties, new_names)
            )
        )
        changes.append(_change(name, earlier, resource, differences))
    kept = {name for name in before if name in after}
    changes += [
        Change(
            logical_id=name,
            type=resource.type,
            action="removed",
            loss="" if resource.stays else LOSSES.get(resource.type, ""),
        )
        for name, resource in before.items()
        if name not in kept
    ]
    return _with_reasons(changes)


def _change(
    name: str, earlier: _Resource, resource: _Resource, differences: tuple[Difference, ...]
) -> Change:
    action: Action = "updated" if differences else "unchanged"
    loss = ""
    if earlier.full_id != resource.full_id:
        action = "published"
    elif earlier.type != resource.type or _is_create_only(resource.type, differences):
        action = "replaced"
        loss = "" if earlier.stays else LOSSES.get(earlier.type, "")
    return Change(
        logical_id=name, type=resource.type, action=action, differences=differences, loss=loss
    )


def _is_create_only(resource_type: str, differences: tuple[Difference, ...]) -> bool:
    fixed = CREATE_ONLY.get(resource_type, frozenset())
    return any(each.property.partition(".")[0] in fixed for each in differences)


def _with_reasons(changes: list[Change]) -> list[Change]:
    """Gives a published version the differences of its function: they are why it is published."""
    functions = {
        f"{each.logical_id}Version": each.differences
        for each in changes
        if each.type == "AWS::Lambda::Function"
    }
    return [
        Change(
            logical_id=each.logical_id,
            type=each.type,
            action=each.action,
            differences=functions.get(each.logical_id, ()),
        )
        if each.type == "AWS::Lambda::Version" and each.action == "published"
        else each
        for each in changes
    ]


def _resources(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, _Resource]:
    """By logical id without digest, with the parameters' values in their place."""
    defaults = {
        name: str(each["Default"])
        for name, each in template.get("Parameters", {}).items()
        if "Default" in each
    }
    values = defaults | dict(parameters)
    return {
        base_id(logical_id, resource["Type"]): _Resource(
            full_id=logical_id,
            type=resource["Type"],
            properties=with_parameters(resource.get("Properties", {}), values),
            stays=resource.get("DeletionPolicy") in {"Retain", "RetainExceptOnCreate"},
        )
        for logical_id, resource in template["Resources"].items()
    }


def _differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and not (is_intrinsic(old) or is_intrinsic(new)):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return
    yield Difference(property=path, before=_text(old), after=_text(new))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
