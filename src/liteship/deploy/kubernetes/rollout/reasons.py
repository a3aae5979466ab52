"""Reasons why something is not ready: in plain words, and with one next step each."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_QUOTE = 400
"""Of what a container or a webhook says, in characters."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something is not ready.

    Attributes:
        reference: As an error's, such as `image-not-pullable`.
        said: What is the matter, with what.
        hint: One concrete next step.
        final: Whether waiting longer is of no use.
    """

    reference: str
    said: str
    hint: str
    final: bool


def image_not_pullable(image: str, said: str, *, final: bool) -> Reason:
    """A node, or Knative itself, cannot get the image."""
    return Reason(
        reference="image-not-pullable",
        said=f"the image {image} cannot be pulled: {short(said)}",
        hint="check that it was pushed under this name, and for a private registry imagePullSecrets "
        "(docs/guides/knative.md); then deploy again",
        final=final,
    )


def unschedulable(pod: str, said: str) -> Reason:
    """No node has room."""
    return Reason(
        reference="pod-unschedulable",
        said=f"no node takes the Pod {pod}: {short(said)}",
        hint="lower knative.cpu_request or the memory in function.toml, or give the cluster another "
        "node, and deploy again",
        final=False,  # a cluster that grows by itself is about to add one
    )


def pods_refused(said: str) -> Reason:
    """The cluster takes the manifest, but refuses the Pods that are made from it."""
    quota = "exceeded quota" in said
    return Reason(
        reference="quota-exceeded" if quota else "pods-refused",
        said=f"the cluster refuses the Pods: {short(said)}",
        hint="have the namespace's quota raised, delete what is not needed, or ask for less in "
        "function.toml"
        if quota
        else "change what it names in function.toml, or ask those who set the rule; then deploy again",
        final=True,
    )


def short(text: str) -> str:
    """What somebody else says, in one line and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]} …"
