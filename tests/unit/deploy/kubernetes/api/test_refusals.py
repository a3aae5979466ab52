"""Answers as API servers give them, and what is said of them.

The bodies have the forms of
https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go, with the API server's own
wording of permissions, conflicts, quotas and webhooks.
"""

# ruff: noqa: E501  # errors are as long as they are

from __future__ import annotations

import json
from typing import Any

import pytest

from liteship.deploy.kubernetes.api.actions import Action
from liteship.deploy.kubernetes.api.refusals import ClusterError, no_object, refused

KNATIVE = "serving.knative.dev/v1"
GET = Action(
    verb="get",
    resource="services.serving.knative.dev",
    api_version=KNATIVE,
    namespace="shop",
    name="digits",
)
APPLY = Action(
    verb="patch",
    resource="services.serving.knative.dev",
    api_version=KNATIVE,
    namespace="shop",
    name="digits",
)
APPLY_PLAIN = Action(
    verb="patch",
    resource="deployments.apps",
    api_version="apps/v1",
    namespace="shop",
    name="digits",
)
LIST_PODS = Action(verb="list", resource="pods", api_version="v1", namespace="shop")


def status(code: int, reason: str, message: str, **details: Any) -> bytes:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }
    return json.dumps(body).encode() + b"\n"


def knative(**more: Any) -> dict[str, Any]:
    return {"name": "digits", "group": "serving.knative.dev", "kind": "services", **more}


UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")

FORBIDDEN = status(
    403,
    "Forbidden",
    'services.serving.knative.dev "digits" is forbidden: User "dev" cannot patch resource "services" in '
    'API group "serving.knative.dev" in the namespace "shop"',
    **knative(),
)

FORBIDDEN_WITH_WHY = status(
    403,
    "Forbidden",
    'pods is forbidden: User "system:serviceaccount:ci:deployer" cannot list resource "pods" in API group '
    '"" in the namespace "shop": RBAC: role.rbac.authorization.k8s.io "deployer" not found',
    kind="pods",
)

FORBIDDEN_LOG = status(
    403,
    "Forbidden",
    'pods "digits-1" is forbidden: User "dev" cannot get resource "pods/log" in API group "" in the '
    'namespace "shop"',
    name="digits-1",
    kind="pods",
)

FORBIDDEN_CLUSTER_WIDE = status(
    403,
    "Forbidden",
    'namespaces "shop" is forbidden: User "dev" cannot get resource "namespaces" in API group "" at the '
    "cluster scope",
    name="shop",
    kind="namespaces",
)

FORBIDDEN_PATH = status(
    403,
    "Forbidden",
    'forbidden: User "system:anonymous" cannot get path "/apis/apps/v1"',
)

NAMESPACE_MISSING = status(
    404, "NotFound", 'namespaces "shop" not found', name="shop", kind="namespaces"
)

NAMESPACE_TERMINATING = status(
    403,
    "Forbidden",
    'services.serving.knative.dev "digits" is forbidden: unable to create new content in namespace shop '
    "because it is being terminated",
    **knative(
        causes=[
            {
                "reason": "NamespaceTerminating",
                "message": "namespace shop is being terminated",
                "field": "metadata.namespace",
            }
        ]
    ),
)

KIND_MISSING = status(404, "NotFound", "the server could not find the requested resource")

OBJECT_MISSING = status(404, "NotFound", 'services.serving.knative.dev "digits" not found', **knative())

CONFLICT = status(
    409,
    "Conflict",
    'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:\n'
    '- .spec.template.spec.containers[name="digits"].image\nconflicts with "kubectl" with subresource '
    '"scale" using apps/v1:\n- .spec.replicas',
    causes=[
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-client-side-apply" using apps/v1 at 2026-03-01T10:00:00Z',
            "field": '.spec.template.spec.containers[name="digits"].image',
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" with subresource "scale" using apps/v1',
            "field": ".spec.replicas",
        },
    ],
)

MODIFIED = status(
    409,
    "Conflict",
    'Operation cannot be fulfilled on services.serving.knative.dev "digits": the object has been modified; '
    "please apply your changes to the latest version and try again",
    **knative(),
)

WEBHOOK = status(
    400,
    "BadRequest",
    'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '
    "expected 0 <= 2000 <= 1000: spec.template.spec.containerConcurrency",
)

WEBHOOK_SILENT_REFUSAL = status(
    400, "", 'admission webhook "policy.example.com" denied the request without explanation'
)

WEBHOOK_UNREACHABLE = status(
    500,
    "InternalError",
    'Internal error occurred: failed calling webhook "webhook.serving.knative.dev": failed to call webhook: '
    'Post "https://webhook.knative-serving.svc:443/defaulting?timeout=10s": dial tcp 10.96.19.182:443: '
    "connect: connection refused",
    causes=[{"message": 'failed calling webhook "webhook.serving.knative.dev": …'}],
)

INVALID = status(
    422,
    "Invalid",
    'Deployment.apps "digits" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal '
    "to 0, spec.template.spec.containers[0].image: Required value]",
    name="digits",
    group="apps",
    kind="Deployment",
    causes=[
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: -1: must be greater than or equal to 0",
            "field": "spec.replicas",
        },
        {
            "reason": "FieldValueRequired",
            "message": "Required value",
            "field": "spec.template.spec.containers[0].image",
        },
    ],
)

POLICY = status(
    422,
    "Invalid",
    "deployments.apps \"digits\" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'all' denied "
    "request: every Deployment names its owner",
    name="digits",
    group="apps",
    kind="deployments",
    causes=[
        {
            "message": "ValidatingAdmissionPolicy 'owners' with binding 'all' denied request: every "
            "Deployment names its owner"
        }
    ],
)

POD_SECURITY = status(
    403,
    "Forbidden",
    'pods "digits" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities '
    '(container "digits" must set securityContext.capabilities.drop=["ALL"])',
    name="digits",
    kind="pods",
)

UNDECODED = status(
    400,
    "BadRequest",
    'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field '
    '"spec.templte", unknown field "spec.trafic"',
)

UNDECLARED = status(
    500,
    "",
    "failed to create typed patch object (shop/digits; apps/v1, Kind=Deployment): errors:\n"
    "  .spec.replica: field not declared in schema\n"
    '  .spec.template.spec.containers[name="digits"].cpu: field not declared in schema',
)

QUOTA = status(
    403,
    "Forbidden",
    'services.serving.knative.dev "digits" is forbidden: exceeded quota: team, requested: '
    "count/services.serving.knative.dev=1, used: count/services.serving.knative.dev=5, limited: "
    "count/services.serving.knative.dev=5",
    **knative(),
)

TOO_MANY = status(
    429,
    "TooManyRequests",
    "the server has received too many requests and has asked us to try again later",
    retryAfterSeconds=1,
)

UNAVAILABLE = status(503, "ServiceUnavailable", "the server is currently unable to handle the request")

INTERNAL = status(500, "InternalError", "Internal error occurred: etcdserver: request timed out")

TOO_LARGE = status(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")

GATEWAY = b"""<html>\r\n<head><title>502 Bad Gateway</title>
<style>h1 { color: red }</style></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>
<hr><center>nginx/1.27.0</center>\r\n</body>\r\n</html>\r\n"""

LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Company login</body></html>"


@pytest.mark.parametrize(
    ("code", "body", "action", "reference", "said"),
    [
        (
            401,
            UNAUTHORIZED,
            GET,
            "cluster-unauthorized",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the API server does not accept kubeconfig's credentials
  received: Unauthorized
  next step: log in again as your cluster's provider says; kubectl auth whoami tells who you are""",
        ),
        (
            403,
            FORBIDDEN,
            APPLY,
            "cluster-forbidden",
            """\
the user dev may not patch services.serving.knative.dev in the namespace shop
  next step: have a Role bound to the user that allows patch on services.serving.knative.dev""",
        ),
        (
            403,
            FORBIDDEN_WITH_WHY,
            LIST_PODS,
            "cluster-forbidden",
            """\
the user system:serviceaccount:ci:deployer may not list pods in the namespace shop
  next step: have a Role bound to the user that allows list on pods""",
        ),
        (
            403,
            FORBIDDEN_LOG,
            GET,
            "cluster-forbidden",
            """\
the user dev may not get pods/log in the namespace shop
  next step: have a Role bound to the user that allows get on pods/log""",
        ),
        (
            403,
            FORBIDDEN_CLUSTER_WIDE,
            GET,
            "cluster-forbidden",
            """\
the user dev may not get namespaces
  next step: have a Role bound to the user that allows get on namespaces""",
        ),
        (
            403,
            FORBIDDEN_PATH,
            GET,
            "cluster-forbidden",
            """\
the user system:anonymous may not get /apis/apps/v1
  next step: log in: kubeconfig's context gives no credentials""",
        ),
        (
            404,
            NAMESPACE_MISSING,
            APPLY,
            "namespace-missing",
            """\
the namespace shop does not exist
  next step: kubectl create namespace shop, or give another one with --namespace""",
        ),
        (
            403,
            NAMESPACE_TERMINATING,
            APPLY,
            "namespace-missing",
            """\
the namespace shop is being deleted
  next step: kubectl create namespace shop once it is gone, or give another one with --namespace""",
        ),
        (
            404,
            b"404 page not found\n",
            APPLY,
            "api-missing",
            """\
cannot patch services.serving.knative.dev digits in the namespace shop: the cluster does not have serving.knative.dev/v1
  next step: install Knative: https://knative.dev/docs/install/; without it: deploy with --to kubernetes, and --on kubernetes for the rest""",
        ),
        (
            404,
            KIND_MISSING,
            APPLY_PLAIN,
            "api-missing",
            """\
cannot patch deployments.apps digits in the namespace shop: the cluster does not have apps/v1
  next step: kubectl api-versions lists what it has""",
        ),
        (
            404,
            OBJECT_MISSING,
            GET,
            "cluster-refused",
            """\
the API server refused to get services.serving.knative.dev digits in the namespace shop: services.serving.knative.dev "digits" not found
  next step: the message is the API server's own; correct what it names""",
        ),
        (
            409,
            CONFLICT,
            APPLY_PLAIN,
            "apply-conflict",
            """\
cannot patch deployments.apps digits in the namespace shop: others manage fields that the manifest sets
  - .spec.template.spec.containers[name="digits"].image: managed by kubectl-client-side-apply
  - .spec.replicas: managed by kubectl
  next step: leave these fields to them, or take them over: liteship deploy … --force-conflicts""",
        ),
        (
            409,
            MODIFIED,
            APPLY,
            "cluster-refused",
            """\
the API server refused to patch services.serving.knative.dev digits in the namespace shop: Operation cannot be fulfilled on services.serving.knative.dev "digits": the object has been modified; please apply your changes to the latest version and try again
  next step: somebody else changes it at the same time: try again""",
        ),
        (
            400,
            WEBHOOK,
            APPLY,
            "webhook-refused",
            """\
the cluster's admission webhook validation.webhook.serving.knative.dev refused to patch services.serving.knative.dev digits in the namespace shop
  received: validation failed: expected 0 <= 2000 <= 1000: spec.template.spec.containerConcurrency
  next step: correct what it names in function.toml, and run liteship render""",
        ),
        (
            400,
            WEBHOOK_SILENT_REFUSAL,
            APPLY_PLAIN,
            "webhook-refused",
            """\
the cluster's admission webhook policy.example.com refused to patch deployments.apps digits in the namespace shop
  received: no explanation
  next step: correct what it names in function.toml, and run liteship render""",
        ),
        (
            500,
            WEBHOOK_UNREACHABLE,
            APPLY,
            "cluster-busy",
            """\
cannot patch services.serving.knative.dev digits in the namespace shop: the cluster's admission webhook webhook.serving.knative.dev does not answer
  received: failed to call webhook: Post "https://webhook.knative-serving.svc:443/defaulting?timeout=10s": dial tcp 10.96.19.182:443: connect: connection refused
  next step: see that its Pods run (Knative's: kubectl get pods -n knative-serving); try again""",
        ),
        (
            422,
            INVALID,
            APPLY_PLAIN,
            "manifest-refused",
            """\
cannot patch deployments.apps digits in the namespace shop: the cluster does not accept the manifest
  - spec.replicas: Invalid value: -1: must be greater than or equal to 0
  - spec.template.spec.containers[0].image: Required value
  next step: correct function.toml and run liteship render; kubectl explain tells about each field""",
        ),
        (
            422,
            POLICY,
            APPLY_PLAIN,
            "manifest-refused",
            """\
cannot patch deployments.apps digits in the namespace shop: the cluster does not accept the manifest
  - ValidatingAdmissionPolicy 'owners' with binding 'all' denied request: every Deployment names its owner
  next step: correct function.toml and run liteship render; kubectl explain tells about each field""",
        ),
        (
            403,
            POD_SECURITY,
            APPLY_PLAIN,
            "manifest-refused",
            """\
cannot patch deployments.apps digits in the namespace shop: the cluster does not accept the manifest
  - violates PodSecurity "restricted:latest": unrestricted capabilities (container "digits" must set securityContext.capabilities.drop=["ALL"])
  next step: correct function.toml and run liteship render; kubectl explain tells about each field""",
        ),
        (
            400,
            UNDECODED,
            APPLY,
            "manifest-refused",
            """\
cannot patch services.serving.knative.dev digits in the namespace shop: the cluster does not accept the manifest
  - unknown field "spec.templte"
  - unknown field "spec.trafic"
  next step: correct function.toml and run liteship render; kubectl explain tells about each field""",
        ),
        (
            500,
            UNDECLARED,
            APPLY_PLAIN,
            "manifest-refused",
            """\
cannot patch deployments.apps digits in the namespace shop: the cluster does not accept the manifest
  - .spec.replica: field not declared in schema
  - .spec.template.spec.containers[name="digits"].cpu: field not declared in schema
  next step: correct function.toml and run liteship render; kubectl explain tells about each field""",
        ),
        (
            403,
            QUOTA,
            APPLY,
            "quota-exceeded",
            """\
cannot patch services.serving.knative.dev digits in the namespace shop: the quota team leaves no room
  received: requested: count/services.serving.knative.dev=1, used: count/services.serving.knative.dev=5, limited: count/services.serving.knative.dev=5
  next step: lower requests and limits in function.toml, delete what is not needed, or have the quota raised""",
        ),
        (
            429,
            TOO_MANY,
            GET,
            "cluster-busy",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the API server has too many requests
  received: the server has received too many requests and has asked us to try again later
  next step: wait a minute and try again""",
        ),
        (
            503,
            UNAVAILABLE,
            GET,
            "cluster-busy",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the API server fails with status 503
  received: the server is currently unable to handle the request
  next step: wait a minute and try again""",
        ),
        (
            500,
            INTERNAL,
            GET,
            "cluster-busy",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the API server fails with status 500
  received: Internal error occurred: etcdserver: request timed out
  next step: wait a minute and try again""",
        ),
        (
            413,
            TOO_LARGE,
            APPLY,
            "cluster-refused",
            """\
the API server refused to patch services.serving.knative.dev digits in the namespace shop: Request entity too large: limit is 3145728
  next step: the message is the API server's own; correct what it names""",
        ),
        (
            502,
            GATEWAY,
            GET,
            "cluster-busy",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the API server fails with status 502
  received: 502 Bad Gateway 502 Bad Gateway nginx/1.27.0
  next step: wait a minute and try again""",
        ),
        (
            403,
            LOGIN,
            GET,
            "cluster-refused",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the answer, status 403, is not a Kubernetes API server's
  received: Sign in Company login
  next step: check the server's address in kubeconfig, and proxies (HTTPS_PROXY, NO_PROXY)""",
        ),
        (
            404,
            b"",
            GET,
            "cluster-refused",
            """\
cannot get services.serving.knative.dev digits in the namespace shop: the answer, status 404, is not a Kubernetes API server's
  received: nothing
  next step: check the server's address in kubeconfig, and proxies (HTTPS_PROXY, NO_PROXY)""",
        ),
        (
            401,
            b"no session",
            LIST_PODS,
            "cluster-unauthorized",
            """\
cannot list pods in the namespace shop: the API server does not accept kubeconfig's credentials
  received: no session
  next step: log in again as your cluster's provider says; kubectl auth whoami tells who you are""",
        ),
    ],
)
def test_every_refusal_is_told_in_plain_words(
    code: int, body: bytes, action: Action, reference: str, said: str
) -> None:
    error = refused(code, body, action)
    assert str(error) == said
    assert error.reference == reference
    assert error.status == code


def test_kubernetes_own_reason_is_kept() -> None:
    assert refused(409, MODIFIED, APPLY).reason == "Conflict"
    assert refused(502, GATEWAY, GET).reason == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"Status"',
        b"\xff\xfe\x00",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"kind": "Status"}',
        b'{"kind": "Status", "message": 7, "reason": [], "details": "x"}',
        b'{"kind": "Status", "details": {"causes": [1, null, {"field": {}}], "name": 3}}',
        b'{"kind": "Status", "details": {"causes": {"reason": "FieldManagerConflict"}}}',
    ],
)
@pytest.mark.parametrize("code", [302, 400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 599])
def test_nothing_that_is_answered_breaks_it(code: int, body: bytes) -> None:
    for action in (GET, APPLY, LIST_PODS):
        error = refused(code, body, action)
        assert isinstance(error, ClusterError)
        assert error.status == code
        assert error.message
        assert error.hint


def test_a_page_is_quoted_without_its_markup_and_not_whole() -> None:
    page = b"<html><script>track('x < y')</script><body>" + b"<p>sorry\x1b[31m</p>" * 10_000
    received = no_object(200, page, GET).received
    assert received is not None
    assert received.startswith("sorry [31m sorry")
    assert received.endswith("…")
    assert len(received) < 1000


def test_a_long_message_is_cut() -> None:
    message = f'admission webhook "long.example.com" denied the request: {"x" * 100_000}'
    received = refused(400, status(400, "BadRequest", message), APPLY).received
    assert received is not None
    assert len(received) < 1000
