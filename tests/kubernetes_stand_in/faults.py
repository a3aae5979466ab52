"""What a test can make go wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.statuses import Refusal, forbidden, invalid, unauthorized, unavailable

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Resource

USER = "developer"
"""Whom the kubeconfig names; refusals say it."""


@dataclass
class Faults:
    """Each is off until it is set; `happened` counts how often each took effect.

    Attributes:
        forbidden: (verb, resource) pairs that the user may not use; see `forbid`.
        allowed: The only pairs that the user may use; None is no limit.
        unauthorized: Every request is 401, as with a token that has run out.
        no_knative: Knative is not installed: its API group is unknown.
        webhook: Knative's webhook refuses every change to a Service with this text.
        quota: Creating an object through the API is 403 with this text after `exceeded quota: `.
        pod_quota: The same for Pods, which controllers create: the Deployment then says so.
        invalid: Reason, field and message of each cause for which the API server's own validation
            refuses every change: ("FieldValueInvalid", "spec.replicas", "Invalid value: -1: …").
        terminating: Namespaces in which nothing new is made, as they are being deleted.
        busy: HTTP statuses (429, 500 or 503) with which the next requests are answered, one each.
        expire_watches: So many of the next watches are told 410 Gone, after which the history is lost.
        drop_watches: So many of the next watches lose their connection after `drop_after_events`.
        drop_after_events: 0 drops before the first.
        drop_logs: So many of the next log streams lose their connection after `drop_after_lines`.
        drop_after_lines: 0 drops before the first.
        refuse_connections: So many of the next requests are hung up on without an answer.
        lost_pods: Pods whose node does not answer the API server: their logs cannot be read.
        pending_addresses: Services of type LoadBalancer get no address.
        unschedulable: Pods find no node, for this reason.
        no_domain: Knative has no domain: every Service's URL is one inside the cluster.
        ephemeral_storage: What Knative's `config-defaults` lets every new Revision ask for of it.
        no_minimum: Knative passes on that a Deployment lacks Pods while these start, as some of its
            versions do.
        happened: Fault by name, and how often.
        used: The rights that were needed so far: verb and resource, as `forbid` takes them.
    """

    forbidden: set[tuple[str, str]] = field(default_factory=set)
    allowed: set[tuple[str, str]] | None = None
    unauthorized: bool = False
    no_knative: bool = False
    webhook: str = ""
    quota: str = ""
    pod_quota: str = ""
    invalid: list[tuple[str, str, str]] = field(default_factory=list)
    terminating: set[str] = field(default_factory=set)
    busy: list[int] = field(default_factory=list)
    expire_watches: int = 0
    drop_watches: int = 0
    drop_after_events: int = 0
    drop_logs: int = 0
    drop_after_lines: int = 0
    refuse_connections: int = 0
    lost_pods: set[str] = field(default_factory=set)
    pending_addresses: bool = False
    unschedulable: str = ""
    no_domain: bool = False
    ephemeral_storage: str = ""
    no_minimum: bool = False
    happened: Counter[str] = field(default_factory=Counter)
    used: set[tuple[str, str]] = field(default_factory=set)

    def forbid(self, verb: str, resource: str) -> None:
        """Takes a right away.

        Args:
            verb: get, list, watch, create, update, patch or delete; `*` is all of them.
            resource: With its group, and its subresource if any: `services.serving.knative.dev`,
                `pods/log`, `namespaces`.
        """
        self.forbidden.add((verb, resource))

    def allow(self, verb: str, resource: str) -> None:
        """Gives it back."""
        self.forbidden.discard((verb, resource))

    def take(self, name: str) -> bool:
        """Whether a fault that is counted down takes effect now."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
            self.happened[name] += 1
        return left > 0

    def before_anything(self) -> None:
        """What meets every request.

        Raises:
            Refusal: 401, 429, 500 or 503.
        """
        if self.unauthorized:
            self.happened["unauthorized"] += 1
            raise unauthorized()
        if not self.busy:
            return
        code = self.busy.pop(0)
        self.happened["busy"] += 1
        if code == 429:
            text = "the server has received too many requests and has asked us to try again later"
            raise Refusal(429, "TooManyRequests", text, {"retryAfterSeconds": 1}, retry_after_s=1)
        if code == 500:
            text = "etcdserver: request timed out"
            raise Refusal(
                500,
                "InternalError",
                f"Internal error occurred: {text}",
                {"causes": [{"message": text}]},
            )
        raise unavailable("the server is currently unable to handle the request")

    def check_rights(self, verb: str, resource: Resource, namespace: str, name: str, sub: str) -> None:
        """https://kubernetes.io/docs/reference/access-authn-authz/rbac/.

        Raises:
            Refusal: 403, naming user, verb, resource, group and namespace.
        """
        qualified = f"{resource.qualified}/{sub}" if sub else resource.qualified
        self.used.add((verb, qualified))
        missing = self.allowed is not None and (verb, qualified) not in self.allowed
        if not missing and not {(verb, qualified), ("*", qualified)} & self.forbidden:
            return
        self.happened["forbidden"] += 1
        plural = f"{resource.plural}/{sub}" if sub else resource.plural
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        raise forbidden(
            resource,
            name,
            f'User "{USER}" cannot {verb} resource "{plural}" in API group "{resource.group}"{where}',
        )

    def check_node(self, pod: str) -> None:
        """What the API server says where it cannot reach a kubelet.

        Raises:
            Refusal: 500.
        """
        if pod in self.lost_pods:
            self.happened["lost_pods"] += 1
            text = f"Get https://10.0.0.7:10250/containerLogs/default/{pod}: dial tcp: i/o timeout"
            raise Refusal(500, "InternalError", text, {})

    def check_validity(self, resource: Resource, name: str) -> None:
        """What the API server's own validation says.

        Raises:
            Refusal: 422.
        """
        if self.invalid:
            self.happened["invalid"] += 1
            raise invalid(resource.kind, resource.group, name, self.invalid)

    def check_quota(self, resource: Resource, name: str) -> None:
        """https://kubernetes.io/docs/concepts/policy/resource-quotas/.

        Raises:
            Refusal: 403.
        """
        if self.quota:
            self.happened["quota"] += 1
            raise forbidden(resource, name, f"exceeded quota: {self.quota}")
