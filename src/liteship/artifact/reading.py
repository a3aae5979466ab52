"""Reads JSON objects field by field and collects every problem; standard library only."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class FieldReader:
    """One JSON object under examination.

    Args:
        value: What the JSON holds here; anything but an object is a problem.
        where: Name of the place, for messages: `model.json`, `inputs[0]`.
        problems: The list that problems are added to; shared with nested readers.
    """

    def __init__(self, value: object, where: str, problems: list[str]) -> None:
        self.fields: dict[str, Any] = {}
        self.where = where
        self.problems = problems
        self.seen: set[str] = set()
        if isinstance(value, dict):
            self.fields = value
        else:
            problems.append(f"{where}: expected an object, received {type(value).__name__}")

    def take(self, key: str, kind: type | tuple[type, ...], default: object = ...) -> Any:
        """The value of `key` if it is of `kind`; else the default, or a problem and an empty value."""
        self.seen.add(key)
        value = self.fields.get(key, default)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is ...:
            self.problems.append(f"{self.where}.{key}: missing")
            return kinds[0]()
        if value is default:
            return value
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(each.__name__ for each in kinds)
            self.problems.append(
                f"{self.where}.{key}: expected {names}, received {type(value).__name__} {value!r:.60}"
            )
            return kinds[0]()
        if not _is_finite(value):
            self.problems.append(f"{self.where}.{key}: expected a finite number, received {value!r}")
            return kinds[0]()
        return value

    def choose(self, key: str, allowed: tuple[str, ...]) -> str:
        """The value of `key` if it is one of `allowed`, else a problem and the first of them."""
        value = self.take(key, str)
        if value in allowed:
            return str(value)
        if key in self.fields:
            self.problems.append(
                f"{self.where}.{key}: expected one of {', '.join(allowed)}, received {value!r:.60}"
            )
        return allowed[0]

    def items(self, key: str, kind: type | tuple[type, ...]) -> list[Any]:
        """The list under `key`, every element of `kind`."""
        values = self.take(key, list)
        wrong = [
            value
            for value in values
            if not isinstance(value, kind) or isinstance(value, bool) or not _is_finite(value)
        ]
        if wrong:
            self.problems.append(f"{self.where}.{key}: {wrong[0]!r:.60} does not belong in this list")
            return []
        return list(values)

    def nested(self, key: str) -> FieldReader:
        """A reader of the object under `key`."""
        return FieldReader(self.take(key, dict), f"{self.where}.{key}", self.problems)

    def each(self, key: str) -> Iterator[FieldReader]:
        """Readers of the objects in the list under `key`."""
        for position, value in enumerate(self.take(key, list)):
            yield FieldReader(value, f"{self.where}.{key}[{position}]", self.problems)

    def close(self) -> None:
        """Adds a problem for every field that nobody asked for."""
        self.problems += [f"{self.where}.{key}: unknown" for key in self.fields.keys() - self.seen]


def _is_finite(value: object) -> bool:
    """False for NaN and infinity, which Python's JSON reader lets through."""
    return not isinstance(value, float) or math.isfinite(value)
