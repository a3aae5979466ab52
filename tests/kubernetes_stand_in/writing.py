"""Changes through the API: apply, patch, create, update and delete."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import yaml
from tests.kubernetes_stand_in import applying
from tests.kubernetes_stand_in.defaults import admit
from tests.kubernetes_stand_in.kinds import KNATIVE, NAMESPACE
from tests.kubernetes_stand_in.statuses import (
    Refusal,
    already_exists,
    bad_request,
    details,
    forbidden,
    not_found,
    outdated,
)
from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.requests import Query
    from tests.kubernetes_stand_in.store import Store

APPLY = "application/apply-patch+yaml"
MERGE = ("application/merge-patch+json", "application/strategic-merge-patch+json")


DECLARED = {(KNATIVE, "Service"): {"template", "traffic"}}
"""The fields of a spec, where one that is unknown is refused."""


class Writer:
    """Writes for one user, who is told what is refused."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def patch(self, query: Query, content_type: str, body: bytes, agent: str) -> tuple[int, Object]:
        """Server-side apply, or a merge patch; gives the HTTP status and the object.

        Raises:
            Refusal: 400, 403, 404, 409 or 415.
        """
        wanted = _read(body)
        if content_type not in {APPLY, *MERGE}:
            text = (
                "the body of the request was in an unknown format - accepted media types include: "
                f"application/json-patch+json, {MERGE[0]}, {APPLY}"
            )
            raise Refusal(415, "UnsupportedMediaType", text)
        with self._store.changed:
            live = self._store.get(query.key)
            if content_type == APPLY:
                return self._apply(query, live, wanted)
            if live is None:
                raise not_found(query.resource, query.name)
            changed = applying.merge_patch(live, wanted)
            return 200, self._write(query, live, changed, agent)

    def create(self, query: Query, body: bytes, agent: str) -> tuple[int, Object]:
        """POST to a collection.

        Raises:
            Refusal: 400, 403, 404 or 409.
        """
        thing = _read(body)
        with self._store.changed:
            name = thing["metadata"]["name"]
            live = self._store.get(query.resource.key(query.namespace, name))
            if live is not None:
                raise already_exists(query.resource, name)
            return 201, self._write(query, None, thing, agent)

    def update(self, query: Query, body: bytes, agent: str) -> tuple[int, Object]:
        """PUT of a whole object.

        Raises:
            Refusal: 400, 403, 404 or 409.
        """
        thing = _read(body)
        with self._store.changed:
            live = self._store.get(query.key)
            if live is None:
                raise not_found(query.resource, query.name)
            _check_version(query, live, thing)
            return 200, self._write(query, live, thing, agent)

    def delete(self, query: Query) -> tuple[int, Object]:
        """DELETE of one object; what it owns goes in the background.

        Raises:
            Refusal: 404.
        """
        with self._store.changed:
            live = self._store.get(query.key)
            if live is None:
                raise not_found(query.resource, query.name)
            if query.options.get("dryRun") != "All":
                self._store.remove(query.key)
            if live["kind"] == "Pod":
                return 200, self._store.get(query.key) or live
            about = details(query.resource, query.name, uid=live["metadata"]["uid"])
            return 200, {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": about,
            }

    def _apply(self, query: Query, live: Object | None, wanted: Object) -> tuple[int, Object]:
        if "fieldManager" not in query.options:
            raise Refusal(
                422,
                "Invalid",
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for '
                "apply patch",
                {
                    "group": "meta.k8s.io",
                    "kind": "PatchOptions",
                    "causes": [
                        {
                            "reason": "FieldValueRequired",
                            "message": "Required value: is required for apply patch",
                            "field": "fieldManager",
                        }
                    ],
                },
            )
        self._check_manifest(query, wanted)
        # The API server asks for the right to create where an apply would
        if live is None:
            self._faults.check_rights("create", query.resource, query.namespace, query.name, "")
            self._check_place(query)
        _check_version(query, live, wanted)
        if query.resource.namespaced:
            wanted["metadata"]["namespace"] = query.namespace
        applied = applying.apply(
            live, wanted, query.options["fieldManager"], force=query.is_on("force")
        )
        return (201 if live is None else 200), self._admit(query, live, applied)

    def _write(self, query: Query, live: Object | None, thing: Object, agent: str) -> Object:
        self._check_manifest(query, thing)
        if live is None:
            self._check_place(query)
        if query.resource.namespaced:
            thing["metadata"]["namespace"] = query.namespace
        if live is not None and query.subresource == "status":
            thing = live | {"status": thing.get("status", {})}
        manager = query.options.get("fieldManager") or agent.partition("/")[0]
        applying.record_update(live, thing, manager, query.subresource)
        return self._admit(query, live, thing)

    def _check_manifest(self, query: Query, thing: Object) -> None:
        named = thing.get("metadata", {}).get("name")
        if query.name and named != query.name:
            raise bad_request(
                f"the name of the object ({named}) does not match the name on the URL ({query.name})"
            )
        said = (thing.get("apiVersion"), thing.get("kind"))
        if said != (query.resource.api_version, query.resource.kind):
            raise bad_request(f"invalid object type: {said[0]}, Kind={said[1]}")
        declared = DECLARED.get(said, set())
        if unknown := sorted(thing.get("spec", {}).keys() - declared) if declared else []:
            # Without a reason, and not the caller's fault: so says Kubernetes 1.36 itself
            place = f"{thing['metadata'].get('namespace', '')}/{query.name}"
            text = f"failed to create typed patch object ({place}; {said[0]}, Kind={said[1]}): "
            raise Refusal(500, "", f"{text}.spec.{unknown[0]}: field not declared in schema")

    def _check_place(self, query: Query) -> None:
        """The namespace must exist, and have room."""
        if query.resource.namespaced:
            namespace = NAMESPACE.key("", query.namespace)
            if namespace not in self._store:
                raise not_found(NAMESPACE, query.namespace)
            if query.namespace in self._faults.terminating:
                self._faults.happened["terminating"] += 1
                refusal = forbidden(
                    query.resource,
                    query.name,
                    f"unable to create new content in namespace {query.namespace} because it is being "
                    "terminated",
                )
                refusal.status["details"]["causes"] = [
                    {
                        "reason": "NamespaceTerminating",
                        "message": f"namespace {query.namespace} is being terminated",
                        "field": "metadata.namespace",
                    }
                ]
                raise refusal
        self._faults.check_quota(query.resource, query.name)

    def _admit(self, query: Query, live: Object | None, thing: Object) -> Object:
        admit(live, thing, self._faults)
        self._faults.check_validity(query.resource, query.name)
        if query.options.get("dryRun") == "All":
            shown = copy.deepcopy(thing)
            if live is None:
                shown["metadata"] |= {"uid": "", "creationTimestamp": now(), "generation": 1}
            elif any(shown.get(part) != live.get(part) for part in ("spec", "data")):
                shown["metadata"]["generation"] += 1
            return shown
        return self._store.create(thing) if live is None else self._store.replace(thing)


def _check_version(query: Query, live: Object | None, thing: Object) -> None:
    """Who names a version means that one.

    Raises:
        Refusal: 409.
    """
    present = live["metadata"]["resourceVersion"] if live else None
    if thing["metadata"].get("resourceVersion") not in {None, present}:
        raise outdated(query.resource, query.name)


def _read(body: bytes) -> Object:
    try:
        thing = yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(thing, dict):
        raise bad_request("couldn't get version/kind; json parse error: an object is expected")
    return thing
