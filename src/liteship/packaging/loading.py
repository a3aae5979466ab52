"""An image onto the nodes of a cluster on this machine, without a registry."""

from __future__ import annotations

import shutil
import subprocess
from typing import Literal, get_args

from liteship.errors import PackagingError

Loader = Literal["kind", "minikube"]
"""Programs that run a cluster here."""

COMMANDS: dict[Loader, tuple[str, ...]] = {
    # https://kind.sigs.k8s.io/docs/user/quick-start/#loading-an-image-into-your-cluster
    "kind": ("kind", "load", "docker-image"),
    # https://minikube.sigs.k8s.io/docs/handbook/pushing/#7-loading-directly-to-in-cluster-container-runtime
    "minikube": ("minikube", "image", "load"),
}

HINTS: dict[Loader, str] = {
    "kind": "start it (kind create cluster), or name it in the variable KIND_CLUSTER_NAME",
    "minikube": "start it (minikube start), or name it: minikube profile NAME",
}

NODE_HOSTS = ("dev.local", "kind.local", "ko.local")
"""What the name of an image begins with that is on the nodes: Knative asks no registry for its digest
(https://knative.dev/docs/serving/tag-resolution/)."""


def require_loadable(reference: str, loader: Loader) -> None:
    """Refuses what a cluster would not run from its nodes, before anything is built.

    Args:
        reference: The image's, with a tag.
        loader: What is to load it.

    Raises:
        PackagingError: `load-name`, `load-latest`, `loader-missing`.
    """
    repository, _, tag = reference.rpartition(":")
    name = repository.rpartition("/")[2]
    if repository.partition("/")[0] not in NODE_HOSTS:
        raise PackagingError(
            "load-name",
            f"Knative would ask a registry for the digest of {reference}, and find none",
            expected=f"{NODE_HOSTS[0]}/NAME:TAG or {NODE_HOSTS[1]}/NAME:TAG",
            received=reference,
            hint=f"name it so: --tag dev.local/{name}:{tag}",
        )
    if tag == "latest":
        # https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
        raise PackagingError(
            "load-latest",
            "images tagged latest are pulled at every start, from a registry that does not exist",
            received=reference,
            hint=f"give it a tag of its own: --tag {repository}:v1",
        )
    if shutil.which(COMMANDS[loader][0]) is None:
        (other,) = set(get_args(Loader)) - {loader}
        raise PackagingError(
            "loader-missing",
            f"there is no command {loader} on PATH",
            hint=f"install {loader}, or use --load {other}, or a registry: --push",
        )


def load_onto_nodes(reference: str, loader: Loader) -> None:
    """Copies a local image to the nodes of the cluster that kind or minikube runs.

    Raises:
        PackagingError: As `require_loadable`; `load-failed`.
    """
    require_loadable(reference, loader)
    done = subprocess.run(
        [*COMMANDS[loader], reference],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise PackagingError(
            "load-failed",
            f"{loader} did not load {reference}",
            problems=[line for line in done.stdout.splitlines() if line.strip()][-5:],
            hint=HINTS[loader],
        )
