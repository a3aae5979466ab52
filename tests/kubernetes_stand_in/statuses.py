"""Refusals in the API server's own form.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kubernetes_stand_in.kinds import Object, Resource


class Refusal(Exception):  # noqa: N818  # the API server's word is Status, and taken
    """What a request is answered with instead.

    Args:
        code: HTTP status.
        reason: Kubernetes' word for it.
        message: For people.
        details: What it is about, and the causes.
        retry_after_s: Sent as a header, too.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s
        self.status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": details} if details else {}),
            "code": code,
        }


def details(resource: Resource, name: str = "", **more: object) -> dict[str, Any]:
    """A Status' details; the API server puts the plural under `kind` here."""
    named = {"name": name} if name else {}
    grouped = {"group": resource.group} if resource.group else {}
    return {**named, **grouped, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', details(resource, name))


def already_exists(resource: Resource, name: str) -> Refusal:
    message = f'{resource.qualified} "{name}" already exists'
    return Refusal(409, "AlreadyExists", message, details(resource, name))


def outdated(resource: Resource, name: str) -> Refusal:
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )
    return Refusal(409, "Conflict", message, details(resource, name))


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    """By a quota, an admission plugin or the rules of access."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = f"{subject} is forbidden: {why}"
    return Refusal(403, "Forbidden", message, details(resource, name))


def invalid(kind: str, group: str, name: str, causes: Sequence[tuple[str, str, str]]) -> Refusal:
    """The API server's own validation: causes are reason, field and message."""
    qualified = f"{kind}.{group}" if group else kind
    listed = [f"{field}: {message}" for _, field, message in causes]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    return Refusal(
        422,
        "Invalid",
        f'{qualified} "{name}" is invalid: {text}',
        {
            "name": name,
            **({"group": group} if group else {}),
            "kind": kind,
            "causes": [
                {"reason": reason, "message": message, "field": field}
                for reason, field, message in causes
            ],
        },
    )


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def unavailable(message: str) -> Refusal:
    return Refusal(503, "ServiceUnavailable", message)


def expired(version: int, oldest: int) -> Refusal:
    return Refusal(410, "Expired", f"too old resource version: {version} ({oldest})")


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")
