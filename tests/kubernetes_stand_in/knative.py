"""Knative's Services and Configurations.

https://github.com/knative/serving/tree/main/pkg/reconciler
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.conditions import condition, set_condition, sum_up
from tests.kubernetes_stand_in.kinds import (
    CONFIGURATION,
    KNATIVE,
    KNATIVE_GROUP,
    KNATIVE_SERVICE,
    REVISION,
    ROUTE,
    key_of,
)
from tests.kubernetes_stand_in.knative_routes import is_migrated, sync_route
from tests.kubernetes_stand_in.owners import owned_by, owner

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object, Resource
    from tests.kubernetes_stand_in.store import Store

GENERATION = f"{KNATIVE_GROUP}/configurationGeneration"


class Services:
    """Makes a Configuration and a Route of each Service, and a Revision of each new template."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self, *, no_domain: bool = False) -> None:
        """Brings every Service one step on."""
        for service in self._store.of(KNATIVE_SERVICE):
            self._sync(service, no_domain=no_domain)

    def _sync(self, service: Object, *, no_domain: bool) -> None:
        spec = service["spec"]
        configuration = self._sync_configuration(
            self._ensure(CONFIGURATION, service, {"template": copy.deepcopy(spec["template"])})
        )
        route = self._ensure(ROUTE, service, {"traffic": copy.deepcopy(spec["traffic"])})
        name = spec["template"]["metadata"].get("name", "")
        if taken := self._name_is_taken(configuration):
            text = f'The revision name "{name}" is taken by a conflicting Revision'
            routed = ("False", "RevisionNameTaken", f"{text}, so traffic will not be migrated")
        else:
            route = sync_route(self._store, route, configuration, no_domain=no_domain)
            routed = _words(condition(route, "Ready"))
            if routed[0] == "True" and not is_migrated(route, configuration):
                text = "Traffic is not yet migrated to the latest revision."
                routed = ("Unknown", "TrafficNotMigrated", text)

        def write(thing: Object) -> None:
            status = thing.setdefault("status", {})
            status["observedGeneration"] = thing["metadata"]["generation"]
            for name in ("latestCreatedRevisionName", "latestReadyRevisionName"):
                if name in configuration["status"]:
                    status[name] = configuration["status"][name]
            for name in ("url", "address", "traffic"):
                if name in route["status"] and not taken:
                    status[name] = copy.deepcopy(route["status"][name])
            set_condition(thing, "ConfigurationsReady", *_words(condition(configuration, "Ready")))
            set_condition(thing, "RoutesReady", *routed)
            sum_up(thing, ("RoutesReady", "ConfigurationsReady"))

        self._store.edit(key_of(service), write)

    def _ensure(self, resource: Resource, service: Object, spec: Object) -> Object:
        """The object beneath a Service, as the Service is now."""
        metadata = service["metadata"]
        labels = metadata.get("labels", {}) | {f"{KNATIVE_GROUP}/service": metadata["name"]}
        made = self._store.get(resource.key(metadata["namespace"], metadata["name"]))
        if made is not None:
            made["metadata"]["labels"] = labels
            return self._store.replace(made | {"spec": spec})
        return self._store.create(
            {
                "apiVersion": KNATIVE,
                "kind": resource.kind,
                "metadata": {
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [owner(service)],
                },
                "spec": spec,
                "status": {},
            }
        )

    def _name_is_taken(self, configuration: Object) -> bool:
        """Whether the Revision that the template names is another (`CheckNameAvailability`)."""
        metadata, template = configuration["metadata"], configuration["spec"]["template"]
        name = template["metadata"].get("name", "")
        revision = self._store.get(REVISION.key(metadata["namespace"], name))
        if revision is None:
            return False
        if not owned_by(revision, configuration):
            return True
        if revision["metadata"]["labels"][GENERATION] == str(metadata["generation"]):
            return False
        return bool(template["spec"] != revision["spec"])

    def _sync_configuration(self, configuration: Object) -> Object:
        metadata, template = configuration["metadata"], configuration["spec"]["template"]
        generation = metadata["generation"]
        name = template["metadata"].get("name") or f"{metadata['name']}-{generation:05}"
        taken = self._name_is_taken(configuration)
        revision = self._store.get(REVISION.key(metadata["namespace"], name))
        revision = revision or self._store.create(_revision(configuration, name))
        ready = condition(revision, "Ready")
        latest = self._latest_ready(configuration, name)
        said = ("True" if latest == name else "Unknown", "", "")
        if taken:
            text = f'revisions.{KNATIVE_GROUP} "{name}" already exists'
            said = ("False", "RevisionFailed", f"Revision creation failed with message: {text}.")
        elif ready["status"] == "False":
            text = f'Revision "{name}" failed with message: {ready.get("message", "")}.'
            said = ("False", "RevisionFailed", text)

        def write(thing: Object) -> None:
            status = thing.setdefault("status", {})
            status["observedGeneration"] = generation
            if not taken:
                status["latestCreatedRevisionName"] = name
                status |= {"latestReadyRevisionName": latest} if latest else {}
            set_condition(thing, "Ready", *said)

        return self._store.edit(key_of(configuration), write) or configuration

    def _latest_ready(self, configuration: Object, created: str) -> str:
        """The newest Revision that is ready, and no older than the one that was so far."""
        before = str(configuration["status"].get("latestReadyRevisionName", ""))
        mine = [each for each in self._store.of(REVISION) if owned_by(each, configuration)]
        generations = {
            each["metadata"]["name"]: int(each["metadata"]["labels"][GENERATION]) for each in mine
        }
        ready = [
            each["metadata"]["name"] for each in mine if condition(each, "Ready")["status"] == "True"
        ]
        if created in ready:
            return created
        ready = [name for name in ready if generations[name] >= generations.get(before, 0)]
        return max(ready, key=generations.__getitem__, default=before)


def _words(said: Object) -> tuple[str, str, str]:
    """A condition as another object passes it on."""
    if said["status"] == "True":
        return "True", "", ""
    return said["status"], said.get("reason", ""), said.get("message", "")


def _revision(configuration: Object, name: str) -> Object:
    metadata, given = configuration["metadata"], configuration["spec"]["template"]["metadata"]
    return {
        "apiVersion": KNATIVE,
        "kind": "Revision",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": given.get("labels", {})
            | {
                f"{KNATIVE_GROUP}/configuration": metadata["name"],
                GENERATION: str(metadata["generation"]),
                f"{KNATIVE_GROUP}/configurationUID": metadata["uid"],
                f"{KNATIVE_GROUP}/service": metadata["labels"][f"{KNATIVE_GROUP}/service"],
                f"{KNATIVE_GROUP}/serviceUID": metadata["ownerReferences"][0]["uid"],
            },
            "annotations": dict(given.get("annotations", {})),
            "ownerReferences": [owner(configuration)],
        },
        "spec": copy.deepcopy(configuration["spec"]["template"]["spec"]),
        "status": {},
    }
