"""What the API server is asked for, in the words of its permissions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Action:
    """What the API server was asked for, in the words of its permissions.

    Args:
        verb: `get`, `list`, `watch`, `patch`, `create`, `delete`.
        resource: With its group: `services.serving.knative.dev`, `pods/log`.
        api_version: The group and version that serve it.
        namespace: Empty for what is in none.
        name: Empty for a list.
    """

    verb: str
    resource: str
    api_version: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"{self.verb} {self.resource}{name}{within(self.namespace)}"


def within(namespace: str | None) -> str:
    """` in the namespace NAME`, or nothing."""
    return f" in the namespace {namespace}" if namespace else ""
