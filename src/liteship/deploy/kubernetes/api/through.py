"""Pods and Services asked through the API server, from wherever that can be reached.

https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from liteship.deploy.kubernetes.api.actions import Action
from liteship.deploy.kubernetes.api.connection import LONGEST_ANSWER_BYTES, Connection, Request, read
from liteship.deploy.kubernetes.api.refusals import refused
from liteship.deploy.kubernetes.api.statuses import read_status

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_TIMEOUT_S = 90.0
"""A function may have to start first, from zero."""

# What a permission calls each method
# (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb)
_VERBS: Mapping[str, str] = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update"}


def request_through(namespace: str, plural: str, target: str, method: str, path: str) -> Request:
    """A request to what is behind the API server.

    Args:
        namespace: Of the target.
        plural: `pods` or `services`.
        target: `NAME:PORT`.
        method: HTTP's.
        path: Quoted, with its query.
    """
    action = Action(
        verb=_VERBS.get(method, method.lower()),
        resource=f"{plural}/proxy",
        api_version="v1",
        namespace=namespace,
        name=target,
    )
    place = f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}/{quote(target, safe=':')}"
    return Request(
        action=action,
        method=method,
        path=f"{place}/proxy/{path.removeprefix('/')}",
        timeout_s=ANSWER_TIMEOUT_S,
    )


def ask_through(connection: Connection, request: Request) -> tuple[int, bytes]:
    """Status and body as they are answered, of an error too; sent once.

    Args:
        connection: To the API server.
        request: As `request_through` makes it.

    Raises:
        ClusterError: The API server cannot be reached, does not let us through, or knows no such
            target.
    """
    with connection.answer(request, refuse=False) as response:
        status, body = response.status, read(response, LONGEST_ANSWER_BYTES)
    if status in {401, 403, 404} and read_status(status, body) is not None:
        raise refused(status, body, request.action)
    return status, body
