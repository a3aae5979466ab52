"""What the commands about traffic share where the function is on Knative."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from liteship.cli.output import print_json, print_line, print_table
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.cli.options import Platform
    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.moving import Change
    from liteship.deploy.kubernetes.traffic.revisions import Revision


def require_revisions(on: Platform, name: str) -> None:
    """Refuses the plain form, which has no versions side by side.

    Raises:
        ConfigurationError: `revisions-missing`.
    """
    if on == "kubernetes":
        raise ConfigurationError(
            "revisions-missing",
            "plain Kubernetes has no Revisions: every Pod of a Deployment is of one version",
            expected="--on knative or --on lambda",
            received="--on kubernetes",
            hint=f"liteship deploy {name} --to knative; here, the template before comes back with: "
            f"kubectl rollout undo deployment/{name}",
        )


def print_knative_change(name: str, change: Change, cluster: Cluster, *, json: bool) -> None:
    """Prints what became of the traffic, on one line."""
    if json:
        where = {"service": name, "namespace": cluster.namespace}
        print_json({**where, **dataclasses.asdict(change)})
        return
    before, after = (spelled(shares, change.versions) for shares in (change.before, change.after))
    becomes = f"{after}, as it was" if change.before == change.after else f"{before} → {after}"
    later = "; later versions follow by themselves" if change.follows_latest else ""
    print_line(f"{name}: {becomes}{later}")


def spelled(shares: Mapping[str, int], versions: Mapping[str, str]) -> str:
    """A division as people read it, by version, or by Revision where two are of one version.

    Args:
        shares: Revision name to percent.
        versions: Revision name to version.
    """
    names = list(versions.values())
    unique = {revision: name for revision, name in versions.items() if names.count(name) == 1}
    said = (f"{unique.get(revision, revision)} {percent} %" for revision, percent in shares.items())
    return ", ".join(said) or "nothing"


def print_revisions(name: str, revisions: Sequence[Revision], cluster: Cluster, *, json: bool) -> None:
    """Prints Revisions as a table, or as one document."""
    if json:
        where = {"service": name, "namespace": cluster.namespace, "context": cluster.context}
        print_json({**where, "versions": [dataclasses.asdict(each) for each in revisions]})
        return
    rows = [
        (
            each.version,
            each.name,
            "no" if each.reason else "ready",
            f"{each.percent} %" if each.percent else "",
            each.created[:16].replace("T", " "),
            # So short that a row fits into 80 columns: the Revision's name is there to be pasted
            each.image.rpartition("sha256:")[2][:8] if "sha256:" in each.image else each.image,
        )
        for each in revisions
    ]
    print_table(
        f"{name} in the namespace {cluster.namespace}, {cluster.context}",
        ["version", "Revision", "ready", "traffic", "created", "image"],
        rows,
    )
    for each in revisions:
        if each.reason:
            print_line(f"{each.name} is not ready: {each.reason}")
        if each.url:
            print_line(f"{each.spelled}: {each.url}")
