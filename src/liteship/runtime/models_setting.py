"""`LITESHIP_MODELS`: what a function with several models is told; imported only where it is set."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEYS = ("name", "version", "labels", "memory_mib", "control")

MOST_CHARACTERS = 64
"""Of a model's, version's or label's name."""

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class ModelsSetting:
    """A model repository, as `function.toml` describes it.

    Args:
        name: The function's own model.
        version: The function's own version of it.
        labels: Version by label, by model.
        memory_mib: What the other models may take together; None for any.
        control: Whether callers may load and unload.
    """

    __slots__ = ("control", "labels", "memory_mib", "name", "version")

    def __init__(
        self,
        name: str,
        version: str,
        labels: dict[str, dict[str, str]] | None = None,
        memory_mib: int | None = None,
        *,
        control: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.labels = labels or {}
        self.memory_mib = memory_mib
        self.control = control

    def to_json(self) -> str:
        """The variable's value; what is as by default is left out."""
        fields: dict[str, object] = {"name": self.name, "version": self.version}
        optional = {"labels": self.labels, "memory_mib": self.memory_mib, "control": self.control}
        return json.dumps(
            fields | {key: each for key, each in optional.items() if each}, separators=(",", ":")
        )


def read_models_setting(text: str, problems: list[str]) -> ModelsSetting | None:
    """Reads the variable.

    Args:
        text: Its value.
        problems: Every problem found is added.

    Returns:
        None where there is a problem.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        problems.append(f"LITESHIP_MODELS: expected a JSON object, received {text!r:.60}")
        return None
    found = list(_problems(content))
    problems += [f"LITESHIP_MODELS: {problem}" for problem in found]
    return None if found else ModelsSetting(**content)


def _problems(content: dict[str, Any]) -> list[str]:
    problems = [f"{key!r:.60} is unknown" for key in content if key not in KEYS]
    problems += [
        f"{key}: expected a name, received {content.get(key)!r:.60}"
        for key in ("name", "version")
        if not is_name(content.get(key))
    ]
    labels = content.get("labels", {})
    is_labels = isinstance(labels, dict) and all(
        is_name(name) and isinstance(each, dict) and all(map(is_name, (*each, *each.values())))
        for name, each in labels.items()
    )
    if not is_labels:
        problems.append(f"labels: expected version by label by model, received {labels!r:.60}")
    memory_mib = content.get("memory_mib")
    if memory_mib is not None and not (type(memory_mib) is int and memory_mib >= 1):
        problems.append(f"memory_mib: expected a whole number from 1, received {memory_mib!r:.60}")
    if not isinstance(content.get("control", False), bool):
        problems.append(f"control: expected true or false, received {content['control']!r:.60}")
    return problems


def is_name(text: object) -> bool:
    """Whether a model, version or label can be called so: as a folder, and in a URL."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MOST_CHARACTERS
        and text[0] != "."
        and set(text) <= _ALLOWED
    )
