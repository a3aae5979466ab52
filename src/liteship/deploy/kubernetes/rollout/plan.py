"""What applying manifests would change on a cluster, as the API server itself says it.

A server-side apply with `dryRun=All` goes through defaulting, admission and merging, and keeps nothing
(https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run). So the plan knows what a cluster
adds by itself, and what its webhooks would refuse.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from liteship.deploy.kubernetes.api.cluster import (
    DEPLOYMENT,
    KNATIVE_SERVICE,
    ClusterError,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster

Action = Literal["created", "changed", "unchanged"]

ATTEMPTS = 3
"""To apply a Deployment while the autoscaler scales it."""

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
        live, would = apply(cluster, manifest, dry_run=True, force=force)
        changes.append(compare(live, would))
    return tuple(changes)


def apply(
    cluster: Cluster, manifest: Mapping[str, Any], *, force: bool, dry_run: bool = False
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """Applies a manifest; of a Deployment, with as many replicas as run; see `keeping_template`, too.

    Args:
        cluster: Where.
        manifest: What is to be applied.
        force: Whether fields of other managers are taken over.
        dry_run: Whether the API server only checks it.

    Returns:
        The object as it stood, or None, and as it stands then. It is read first: what somebody else
        changes in between shows as a difference.

    Raises:
        ClusterError: As `Cluster.apply`.
    """
    for tries_left in reversed(range(ATTEMPTS)):
        live = cluster.get(kind_of(manifest), manifest["metadata"]["name"])
        try:
            ours = keeping_template(keeping_replicas(manifest, live), live)
            return live, cluster.apply(ours, dry_run=dry_run, force=force)
        except ClusterError as error:
            # The autoscaler has scaled since it was read
            if not (tries_left and _is_about_replicas(error)):
                raise
    raise AssertionError("the last attempt raises")


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

    No replicas at all are no decision of the autoscaler's, which then stands still: whoever stopped the
    Deployment so is asked, as a conflict, before it starts again
    (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation).

    Args:
        manifest: Any; others than of a Deployment are given back as they are.
        live: The object as it stands.
    """
    if live is None or kind_of(manifest) != DEPLOYMENT or not live["spec"].get("replicas"):
        return manifest
    spec = manifest["spec"] | {"replicas": live["spec"]["replicas"]}
    return {**manifest, "spec": spec}


def keeping_template(manifest: Mapping[str, Any], live: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The manifest with the template that stands, where that is ours with what Knative added to it.

    Knative adds its defaults only to a template whose Revision has a new name
    (https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/configuration_defaults.go). Under
    a name that stands, ours alone would take its additions away again, as containers are replaced as
    a whole: a change without a new name, which it refuses.

    Args:
        manifest: Any; others than of a Knative Service are given back as they are.
        live: The object as it stands.
    """
    if live is None or kind_of(manifest) != KNATIVE_SERVICE:
        return manifest
    ours, standing = manifest["spec"]["template"], live["spec"]["template"]
    if not _is_within(ours, standing):
        return manifest
    metadata = {key: value for key, value in standing["metadata"].items() if key not in VOLATILE}
    spec = manifest["spec"] | {"template": standing | {"metadata": metadata}}
    return {**manifest, "spec": spec}


def _is_within(part: Any, whole: Any) -> bool:
    """Whether `whole` says all that `part` says, and perhaps more."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_is_within, part, whole))
    return bool(part == whole)


def _is_about_replicas(error: ClusterError) -> bool:
    fields = {each.partition(":")[0] for each in error.problems}
    return error.reference == "apply-conflict" and fields == {".spec.replicas"}


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
