"""References inside a CloudFormation template: to parameters, and from one resource to another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME_IN_TEXT = re.compile(r"\$\{([A-Za-z0-9]+)((?:\.[A-Za-z0-9]+)*)\}")


def with_parameters(value: Any, parameters: Mapping[str, str]) -> Any:
    """A property with the parameters' values in place of references to them."""
    if is_intrinsic(value, "Ref") and value["Ref"] in parameters:
        return parameters[value["Ref"]]
    return _walk(
        value,
        lambda each: with_parameters(each, parameters),
        lambda found: parameters.get(found[1], found[0]),
    )


def with_names(value: Any, names: Mapping[str, str]) -> Any:
    """A property whose references lead to other logical ids, all written in one form."""
    if is_intrinsic(value, "Ref"):
        return {"Ref": names.get(value["Ref"], value["Ref"])}
    if is_intrinsic(value, "Fn::GetAtt"):
        target = value["Fn::GetAtt"]
        name, attribute = target.split(".", 1) if isinstance(target, str) else target
        return {"Fn::GetAtt": [names.get(name, name), attribute]}
    return _walk(
        value,
        lambda each: with_names(each, names),
        lambda found: f"${{{names.get(found[1], found[1])}{found[2]}}}",
    )


def is_intrinsic(value: object, name: str = "") -> bool:
    """Whether a value is a call of one of CloudFormation's functions, or of this one."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    (key,) = value
    return key == name if name else key == "Ref" or str(key).startswith("Fn::")


def _walk(value: Any, child: Callable[[Any], Any], named: Callable[[re.Match[str]], str]) -> Any:
    """A value with its children replaced, and the names in the texts of `Fn::Sub`."""
    if isinstance(value, list):
        return [child(each) for each in value]
    if not isinstance(value, dict):
        return value
    if not is_intrinsic(value, "Fn::Sub"):
        return {key: child(each) for key, each in value.items()}
    given = value["Fn::Sub"]
    text, own = (given, {}) if isinstance(given, str) else given
    text = _NAME_IN_TEXT.sub(lambda found: found[0] if found[1] in own else named(found), text)
    return {"Fn::Sub": [text, child(own)] if own else text}
