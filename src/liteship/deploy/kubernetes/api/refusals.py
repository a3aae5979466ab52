"""What a Kubernetes API server refuses, in our words: one table from its Status objects to ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.api.actions import Action, within
from liteship.deploy.kubernetes.api.statuses import Status, quote, read_status, shorten
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Iterable

# How the API server words what it gives no fields for. Permissions:
# https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/responsewriters/errors.go
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) (?:resource|path) "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
# https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/errors/statuserror.go
_DENIED = re.compile(
    r'admission webhook "(?P<name>[^"]+)" denied the request(?:: (?P<text>.+))?', re.DOTALL
)
_SILENT = re.compile(r'failed calling webhook "(?P<name>[^"]+)": (?P<text>.*)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,\s]+), (?P<text>.*)", re.DOTALL)
# An applied field that the schema does not have is an internal error (500), without causes
_UNDECLARED = re.compile(r"failed to create typed patch object(?: \([^)]*\))?: (?P<text>.*)", re.DOTALL)
_UNDECODED = re.compile(r"strict decoding error: (?P<text>.*)", re.DOTALL)


class ClusterError(DeploymentError):
    """The API server refused, or could not be asked.

    Args:
        status: HTTP's own; 0 where there was no answer.
        reason: Kubernetes' word, such as `NotFound`; empty where it gave none.
        reference: As `LiteshipError`'s, like the rest.
        message: What could not be done.
        hint: One concrete next step.
        expected: What would have been accepted.
        received: What the API server said.
        problems: Each of several causes.

    Attributes:
        again_after_s: Where asking again may help: after how long the API server wants it, 0 where it
            does not say. None otherwise.
    """

    def __init__(  # noqa: PLR0913  # LiteshipError's and two more
        self,
        status: int,
        reason: str,
        reference: str,
        message: str,
        *,
        hint: str,
        expected: str | None = None,
        received: str | None = None,
        problems: Iterable[str] = (),
    ) -> None:
        self.status = status
        self.reason = reason
        self.again_after_s: float | None = None
        super().__init__(
            reference, message, hint=hint, expected=expected, received=received, problems=problems
        )


def refused(code: int, body: bytes, action: Action) -> ClusterError:
    """What the API server answered instead of doing what was asked.

    Args:
        code: HTTP's status.
        body: A Status object as JSON, or whatever something on the way says.
        action: What it was asked for.
    """
    status = read_status(code, body)
    if status is None:
        return _refused_by_another(code, body, action)
    return (
        _refused_by_webhook(status, action)
        or _refused_by_rules(status, action)
        or _refused_manifest(status, action)
        or _refused_person(status, action)
        or _refused_place(status, action)
        or _refused_now(status.code, status.reason, status.message, action)
        or ClusterError(
            status.code,
            status.reason,
            "cluster-refused",
            f"the API server refused to {action}: {shorten(status.message)}",
            hint="somebody else changes it at the same time: try again"
            if status.code == 409
            else "the message is the API server's own; correct what it names",
        )
    )


def no_object(code: int, body: bytes, action: Action) -> ClusterError:
    """An answer that should have been a JSON object, and is none, or ends in its middle."""
    error = _refused_by_another(code, body, action)
    error.again_after_s = 0.0
    return error


def namespace_leaving(code: int, reason: str, namespace: str) -> ClusterError:
    """A namespace in which nothing new can be made."""
    return ClusterError(
        code,
        reason,
        "namespace-missing",
        f"the namespace {namespace} is being deleted",
        hint=f"kubectl create namespace {namespace} once it is gone, or give another one with "
        "--namespace",
    )


def _refused_by_webhook(status: Status, action: Action) -> ClusterError | None:
    if denied := _DENIED.search(status.message):
        return ClusterError(
            status.code,
            status.reason,
            "webhook-refused",
            f"the cluster's admission webhook {denied['name']} refused to {action}",
            received=shorten((denied["text"] or "no explanation").strip()),
            hint="correct what it names in function.toml, and run liteship render",
        )
    if silent := _SILENT.search(status.message):
        return ClusterError(
            status.code,
            status.reason,
            "cluster-busy",
            f"cannot {action}: the cluster's admission webhook {silent['name']} does not answer",
            received=shorten(silent["text"].strip()),
            hint="see that its Pods run (Knative's: kubectl get pods -n knative-serving); try again",
        )
    return None


def _refused_by_rules(status: Status, action: Action) -> ClusterError | None:
    if status.has_cause("NamespaceTerminating"):
        return namespace_leaving(status.code, status.reason, action.namespace)
    if quota := _QUOTA.search(status.message):
        return ClusterError(
            status.code,
            status.reason,
            "quota-exceeded",
            f"cannot {action}: the quota {quota['name']} leaves no room",
            received=quota["text"].strip(),
            hint="lower requests and limits in function.toml, delete what is not needed, or have the "
            "quota raised",
        )
    return None


def _refused_manifest(status: Status, action: Action) -> ClusterError | None:
    problems: list[str] = []
    if undeclared := _UNDECLARED.search(status.message):
        lines = undeclared["text"].removeprefix("errors:").splitlines()
        problems = [line.strip() for line in lines if line.strip()]
    elif undecoded := _UNDECODED.search(status.message):
        problems = undecoded["text"].split(", ")
    elif status.code == 422 and status.causes:
        problems = [": ".join(filter(None, (c.field, c.message))) for c in status.causes]
    elif action.verb == "patch" and status.code in {400, 422}:
        problems = [status.message]
    elif action.verb == "patch" and status.code == 403 and not _FORBIDDEN.search(status.message):
        # Pod security, limit ranges, admission policies: `PLURAL "NAME" is forbidden: TEXT`
        problems = [status.message.partition(" is forbidden: ")[2] or status.message]
    if not problems:
        return None
    return ClusterError(
        status.code,
        status.reason,
        "manifest-refused",
        f"cannot {action}: the cluster does not accept the manifest",
        problems=[shorten(problem) for problem in problems],
        hint="correct function.toml and run liteship render; kubectl explain tells about each field",
    )


def _refused_person(status: Status, action: Action) -> ClusterError | None:
    if status.code == 401:
        return _unauthorized(status.code, status.reason, status.message, action)
    if status.code != 403:
        return None
    named = _FORBIDDEN.search(status.message)
    if named is None:
        return ClusterError(
            403,
            status.reason,
            "cluster-forbidden",
            f"the API server does not allow to {action}",
            received=shorten(status.message),
            hint="ask those who run the cluster to allow it",
        )
    plural, _, part = named["resource"].partition("/")
    grouped = f"{plural}.{named['group']}" if named["group"] else plural
    resource = f"{grouped}/{part}" if part else grouped
    if not grouped:  # a path: `User "dev" cannot get path "/apis/apps/v1"`
        resource = named["resource"]
    return ClusterError(
        403,
        status.reason,
        "cluster-forbidden",
        f"the user {named['user']} may not {named['verb']} {resource}{within(named['namespace'])}",
        hint="log in: kubeconfig's context gives no credentials"
        if named["user"] == "system:anonymous"
        else f"have a Role bound to the user that allows {named['verb']} on {resource}",
    )


def _refused_place(status: Status, action: Action) -> ClusterError | None:
    if status.code == 404 and status.kind == "namespaces":
        namespace = status.name or action.namespace
        return ClusterError(
            404,
            status.reason,
            "namespace-missing",
            f"the namespace {namespace} does not exist",
            hint=f"kubectl create namespace {namespace}, or give another one with --namespace",
        )
    if status.code == 404 and not status.name:
        return _api_missing(status.reason, action)
    if status.code == 409 and status.has_cause("FieldManagerConflict"):
        return ClusterError(
            409,
            status.reason,
            "apply-conflict",
            f"cannot {action}: others manage fields that the manifest sets",
            problems=[f"{cause.field}: {_manager(cause.message)}" for cause in status.causes],
            hint="leave these fields to them, or take them over: liteship deploy … --force-conflicts",
        )
    return None


def _refused_now(code: int, reason: str, said: str, action: Action) -> ClusterError | None:
    if code != 429 and code < 500:
        return None
    what = "has too many requests" if code == 429 else f"fails with status {code}"
    return ClusterError(
        code,
        reason,
        "cluster-busy",
        f"cannot {action}: the API server {what}",
        received=shorten(said),
        hint="wait a minute and try again",
    )


def _refused_by_another(code: int, body: bytes, action: Action) -> ClusterError:
    """What is no API server, or its outermost layer, which answers in plain text."""
    said = quote(body)
    if code == 404 and said == "404 page not found":  # of a group that it does not serve
        return _api_missing("", action)
    if code == 401:
        return _unauthorized(code, "", said, action)
    return _refused_now(code, "", said, action) or ClusterError(
        code,
        "",
        "cluster-refused",
        f"cannot {action}: the answer, status {code}, is not a Kubernetes API server's",
        received=said,
        hint="check the server's address in kubeconfig, and proxies (HTTPS_PROXY, NO_PROXY)",
    )


def _unauthorized(code: int, reason: str, said: str, action: Action) -> ClusterError:
    return ClusterError(
        code,
        reason,
        "cluster-unauthorized",
        f"cannot {action}: the API server does not accept kubeconfig's credentials",
        received=said,
        hint="log in again as your cluster's provider says; kubectl auth whoami tells who you are",
    )


def _api_missing(reason: str, action: Action) -> ClusterError:
    return ClusterError(
        404,
        reason,
        "api-missing",
        f"cannot {action}: the cluster does not have {action.api_version}",
        hint="install Knative: https://knative.dev/docs/install/; without it: deploy with "
        "--to kubernetes, and --on kubernetes for the rest"
        if ".knative.dev/" in action.api_version
        else "kubectl api-versions lists what it has",
    )


def _manager(text: str) -> str:
    """Who has a field: `conflict with "kubectl-client-side-apply" using apps/v1` is a cause's text."""
    named = re.search(r'conflict with "([^"]+)"', text)
    return f"managed by {named[1]}" if named else text
