"""What is to be deployed to a cluster, and what that will change there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from liteship.artifact import Artifact
from liteship.deploy.kubernetes import manifests
from liteship.deploy.kubernetes.api.cluster import SERVICE
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.images import NO_DIGEST, chosen_image
from liteship.deploy.kubernetes.rollout.plan import Plan, look
from liteship.deploy.rendering import require_rendered
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.project import FunctionFolder

    Manifest = dict[str, Any]
    Listener = Callable[[str], None]

KNATIVE = "serving.knative.dev/v1"

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        function: The function to deploy.
        platform: With Knative, or without.
        image: What runs; None for what knative/images says.
        ingress: Where the cluster's ingress answers; None for the function's own URL.
        no_traffic: Whether a new Revision is to get none.
        force: Whether fields that others manage are taken over.
        timeout_s: How long to wait until it is ready.
    """

    function: FunctionFolder
    platform: Literal["knative", "kubernetes"]
    image: str | None = None
    ingress: str | None = None
    no_traffic: bool = False
    force: bool = False
    timeout_s: float = 600

    @property
    def name(self) -> str:
        """The function's, and that of every object made for it."""
        return self.function.config.name


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A deployment that can be carried out.

    Attributes:
        request: What was asked for.
        manifests: What is to be applied, in this order.
        plan: What that changes.
    """

    request: Request
    manifests: list[Manifest]
    plan: Plan


def manifests_of(request: Request, *, with_image: bool = True) -> list[Manifest]:
    """What is to be applied, checked without asking any cluster.

    Args:
        request: What is asked for.
        with_image: Whether there must be an image already.

    Raises:
        ConfigurationError: `template-drift`, `image-unset`, `images-invalid`, or what is wrong with a
            `function.toml`.
        ArtifactError: The model is not whole.
    """
    config, root = request.function.config, request.function.root
    require_rendered(root, [manifests.render])
    Artifact.load(request.function.model_folder)
    image = chosen_image(root, config.name, request.image)
    if with_image and image.endswith(NO_DIGEST):
        raise ConfigurationError(
            "image-unset",
            f"knative/images/kustomization.yaml does not say yet where the image of {config.name} is",
            expected=f"registry.example.com/{config.name}@sha256:…, with the digest of a push",
            received=image,
            hint=f"liteship package {config.name} --as image --tag registry.example.com/{config.name}:"
            f"v{config.version} --push, with your registry; or name one with --image",
        )
    if request.platform == "knative":
        return [manifests.service(config, image)]
    return manifests.plain(config, image)


def require_namespace_name(namespace: str | None) -> None:
    """Refuses a namespace that no cluster can have.

    Raises:
        ConfigurationError: `namespace-invalid`.
    """
    if namespace is not None and not DNS_LABEL.fullmatch(namespace):
        raise ConfigurationError(
            "namespace-invalid",
            f"{namespace!r} cannot be the name of a namespace",
            expected="a DNS label: lower-case letters, digits and hyphens, 63 at most",
            received=namespace,
            hint="correct --namespace; kubectl get namespaces lists those that are there",
        )


def prepare(request: Request, cluster: Cluster, said: Listener) -> Prepared:
    """Checks all that can be checked beforehand, and plans. Nothing is changed.

    Raises:
        ConfigurationError, ArtifactError: As `manifests_of`.
        DeploymentError: `knative-missing`, `service-taken`, `no-traffic-before`.
        ClusterError: `namespace-missing`, `apply-conflict`, and what else the cluster refuses.
    """
    wanted = manifests_of(request)
    name = request.name
    said(f"asking {cluster.server}, namespace {cluster.namespace}")
    if request.platform == "knative" and not cluster.serves(KNATIVE):
        raise DeploymentError(
            "knative-missing",
            f"the cluster at {cluster.server} does not have the API group {KNATIVE}: "
            "Knative Serving is not installed",
            hint=f"liteship deploy {name} --to kubernetes does without; or install it: "
            "https://knative.dev/docs/install/",
        )
    cluster.require_namespace()
    if request.platform == "kubernetes":
        _require_own_service(cluster, name)
    try:
        changes = look(cluster, wanted, force=request.force)
    except ClusterError as error:
        raise explained(error, request, []) from error
    if request.no_traffic and changes[0].action == "created":
        raise DeploymentError(
            "no-traffic-before",
            f"{name} is not deployed yet: there is no Revision that could keep the traffic",
            hint="leave out --no-traffic the first time",
        )
    (container,) = _pod_spec(wanted[0])["containers"]
    plan = Plan(
        function=name,
        platform=request.platform,
        server=cluster.server,
        context=cluster.context,
        namespace=cluster.namespace,
        image=container["image"],
        revision=wanted[0]["spec"]["template"]["metadata"].get("name", ""),
        changes=changes,
    )
    return Prepared(request=request, manifests=wanted, plan=plan)


def _require_own_service(cluster: Cluster, name: str) -> None:
    """Refuses to take over the Service by which another controller leads to the function.

    Knative makes one of the same name for its own Service, and its routes end where it is changed.
    """
    found = cluster.get(SERVICE, name)
    owners = (found or {"metadata": {}})["metadata"].get("ownerReferences") or []
    owner = next((each for each in owners if each.get("controller")), None)
    if owner is not None:
        raise DeploymentError(
            "service-taken",
            f"the Service {name} in the namespace {cluster.namespace} belongs to the {owner['kind']} "
            f"{owner['name']}: both forms of a function do not fit into one namespace",
            hint=f"choose another one with --namespace; or liteship delete {name} --on knative first",
        )


def explained(error: ClusterError, request: Request, done: Sequence[str]) -> ClusterError:
    """A refusal with what was done before it, and with this command's own next step.

    Args:
        error: What the cluster refused.
        request: What was asked for.
        done: What has been changed on the cluster by then.
    """
    again = f"liteship deploy {request.name} --to {request.platform}"
    hint = error.hint
    if error.reference == "apply-conflict":
        hint = f"leave these fields to them, or take them over: {again} --force-conflicts"
    return ClusterError(
        error.status,
        error.reason,
        error.reference,
        error.message,
        received=error.received,
        problems=[*error.problems, *(f"done before: {each}" for each in done)],
        hint=f"{hint}; then again: {again}" if done and hint == error.hint else hint,
    )


def _pod_spec(manifest: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec
