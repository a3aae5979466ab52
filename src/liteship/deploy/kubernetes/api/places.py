"""Where the API server has its objects: https://kubernetes.io/docs/reference/using-api/api-concepts/."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from liteship.deploy.kubernetes.api.actions import Action
from liteship.deploy.kubernetes.api.connection import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.kinds import Kind

NONE: Mapping[str, str] = MappingProxyType({})
"""No selector."""


def root_of(api_version: str) -> str:
    """The path of a group and version: `/apis/apps/v1`, `/api/v1`."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def request_for(
    namespace: str,
    verb: str,
    kind: Kind,
    name: str = "",
    *,
    part: str = "",
    labels: Mapping[str, str] = NONE,
    fields: Mapping[str, str] = NONE,
) -> Request:
    """A request for one object, or for all of its kind.

    Args:
        namespace: Where; nothing for kinds that stand in none.
        verb: As permissions call it: `get`, `list`, `patch`, `delete`.
        kind: Of what kind.
        name: The object's; empty for all.
        part: Of the object, such as `log`.
        labels: For all of a kind: only those with these.
        fields: The same.
    """
    namespace = namespace if kind.namespaced else ""
    place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    words = [kind.plural, *([quote(name, safe="")] if name else []), *([part] if part else [])]
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return Request(
        action=Action(
            verb=verb,
            resource=f"{kind.resource}/{part}" if part else kind.resource,
            api_version=kind.api_version,
            namespace=namespace,
            name=name,
        ),
        path=f"{root_of(kind.api_version)}{place}/{'/'.join(words)}",
        query={
            key: ",".join(f"{word}={value}" for word, value in wanted.items())
            for key, wanted in selectors.items()
            if wanted
        },
    )
