"""What applying manifests would change on a cluster, as the API server itself says it.

A server-side apply with `dryRun=All` goes through defaulting, admission and merging, and keeps nothing
(https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run). So the plan knows what a cluster
adds by itself, and what its webhooks would refuse.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster

Action = Literal["created", "changed", "unchanged"]

VOLATILE = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
"""Of `metadata`: what the API server counts and notes by itself."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that changes.

    Attributes:
        field: Its path, such as `spec.template.spec.containers[digits].image`.
        before: Its value as text; empty where there was none.
        after: Likewise.
    """

    field: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one object.

    Attributes:
        kind: `Service`.
        api_version: `serving.knative.dev/v1`.
        name: Its name.
        action: What applying does.
        differences: Why it is `changed`; nothing for the others.
    """

    kind: str
    api_version: str
    name: str
    action: Action
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a deployment will do.

    Attributes:
        function: Whose deployment it is.
        platform: `knative` or `kubernetes`.
        server: The API server's address.
        context: The context of kubeconfig.
        namespace: Where the objects stand.
        image: What the Pods run.
        revision: The Knative Revision's name; empty in the plain form.
        changes: Every object and what happens to it, in the order in which they are applied.
    """

    function: str
    platform: str
    server: str
    context: str
    namespace: str
    image: str
    revision: str
    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether all stands as it should."""
        return all(each.action == "unchanged" for each in self.changes)

    def fields(self) -> dict[str, Any]:
        """The plan as JSON-ready fields."""
        return asdict(self)


def look(
    cluster: Cluster, manifests: Sequence[Mapping[str, Any]], *, force: bool
) -> tuple[Change, ...]:
    """Compares what stands with what applying would make of it.

    Args:
        cluster: Where; nothing is changed there.
        manifests: What is to be applied.
        force: Whether fields of other managers are taken over.

    Raises:
        ClusterError: As `Cluster.apply`: `apply-conflict`, `webhook-refused`, ….
    """
    changes = []
    for manifest in manifests:
        live = cluster.get(kind_of(manifest), manifest["metadata"]["name"])
        # The live object was read first: what somebody else changes in between shows as a difference
        would = cluster.apply(keeping_replicas(manifest, live), dry_run=True, force=force)
        changes.append(compare(live, would))
    return tuple(changes)


def compare(live: Mapping[str, Any] | None, would: Mapping[str, Any]) -> Change:
    """What happens to an object.

    Args:
        live: As it stands; None where it does not.
        would: As it would stand.
    """
    differences = tuple(_differences(_settled(live), _settled(would))) if live is not None else ()
    return Change(
        kind=would["kind"],
        api_version=would["apiVersion"],
        name=would["metadata"]["name"],
        action="created" if live is None else "changed" if differences else "unchanged",
        differences=differences,
    )


def keeping_replicas(manifest: Mapping[str, Any], live: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The manifest with as many replicas as run now, which the autoscaler decides.

    Leaving `spec.replicas` out is no way: an applier that leaves out a field which nobody else has
    written removes it, the default 1 is set, and Pods that answer requests go. The autoscaler writes it
    when it scales for the first time, not before. A value that equals the live one is shared with it,
    and no obstacle to its next one
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).

    Args:
        manifest: Any; others than of a Deployment are given back as they are.
        live: The object as it stands.
    """
    if live is None or kind_of(manifest) != DEPLOYMENT or "replicas" not in live["spec"]:
        return manifest
    spec = manifest["spec"] | {"replicas": live["spec"]["replicas"]}
    return {**manifest, "spec": spec}


def _settled(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in VOLATILE}
    return {**item, "metadata": metadata, "status": None}


def _differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(
                before.get(key), after.get(key), f"{path}{_step(key) if path else key}"
            )
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _by_name(before), _by_name(after)
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _differences(old.get(key), new.get(key), f"{path}[{key}]")
        return
    yield Difference(field=path, before=_text(before), after=_text(after))


def _step(key: str) -> str:
    """Labels and annotations have dots in their names: `labels[app.kubernetes.io/version]`."""
    return f"[{key}]" if "." in key else f".{key}"


def _by_name(items: list[Any]) -> dict[Any, Any]:
    """Containers, ports and variables by name, whatever their order; other lists by position."""
    names = [each.get("name") if isinstance(each, dict) else None for each in items]
    if None in names or len(set(names)) < len(names):
        return dict(enumerate(items))
    return dict(zip(names, items, strict=True))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
