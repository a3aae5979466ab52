"""Knative's Routes: which Revision has which share of the requests, and under which URLs.

https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/route_lifecycle.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.conditions import condition, set_condition, sum_up
from tests.kubernetes_stand_in.kinds import REVISION, key_of

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store

    Problem = tuple[str, str, str] | None

DOMAIN = "example.com"
LOCAL_DOMAIN = "svc.cluster.local"
TLS_IS_OFF = "external-domain-tls is not enabled"
VISIBILITY = "networking.knative.dev/visibility"


def sync_route(
    store: Store, route: Object, configuration: Object, *, no_domain: bool = False
) -> Object:
    """Routes as spec.traffic says, or says why not and leaves what is routed; gives the Route."""
    namespace, name = (route["metadata"][key] for key in ("namespace", "name"))
    is_local = no_domain or route["metadata"]["labels"].get(VISIBILITY) == "cluster-local"
    suffix = f"{namespace}.{LOCAL_DOMAIN if is_local else DOMAIN}"
    targets, problem = [], None
    for target in route["spec"]["traffic"]:
        resolved, why = _resolve(store, target, configuration)
        problem = problem or why
        shown = {key: target[key] for key in ("percent", "tag") if key in target}
        shown |= {"revisionName": resolved, "latestRevision": "revisionName" not in target}
        if "tag" in target:
            shown["url"] = f"http://{target['tag']}-{name}.{suffix}"
        targets.append(shown)

    def write(thing: Object) -> None:
        status = thing.setdefault("status", {})
        status["observedGeneration"] = thing["metadata"]["generation"]
        status["url"] = f"http://{name}.{suffix}"
        if problem is None:
            status["traffic"] = targets
            status["address"] = {"url": f"http://{name}.{namespace}.{LOCAL_DOMAIN}"}
            set_condition(thing, "IngressReady", "True")
        set_condition(thing, "AllTrafficAssigned", *(problem or ("True",)))
        why = "TLS is not enabled for cluster-local" if is_local else TLS_IS_OFF
        set_condition(thing, "CertificateProvisioned", "True", "TLSNotEnabled", why)
        sum_up(thing, ("AllTrafficAssigned", "CertificateProvisioned", "IngressReady"))

    return store.edit(key_of(route), write) or route


def is_migrated(route: Object, configuration: Object) -> bool:
    """Whether what is routed is what is asked for (`checkRoutesNotReady`)."""
    latest = configuration["status"].get("latestReadyRevisionName", "")
    wanted = [
        (target.get("revisionName", latest), target.get("percent"))
        for target in route["spec"]["traffic"]
    ]
    routed = [
        (target["revisionName"], target.get("percent")) for target in route["status"].get("traffic", [])
    ]
    return wanted == routed


def _resolve(store: Store, target: Object, configuration: Object) -> tuple[str, Problem]:
    """The Revision of one entry of spec.traffic, and why it cannot have traffic."""
    metadata, missing = configuration["metadata"], "RevisionMissing"
    if "revisionName" not in target:
        latest = str(configuration["status"].get("latestReadyRevisionName", ""))
        if latest:
            return latest, None
        name = f'Configuration "{metadata["name"]}"'
        if condition(configuration, "Ready")["status"] == "False":
            return "", ("False", missing, f"{name} does not have any ready Revision.")
        return "", ("Unknown", missing, f"{name} is waiting for a Revision to become ready.")
    wanted = str(target["revisionName"])
    name = f'Revision "{wanted}"'
    revision = store.get(REVISION.key(metadata["namespace"], wanted))
    if revision is None:
        return wanted, ("False", missing, f"{name} referenced in traffic not found.")
    problems: dict[str, Problem] = {
        "False": ("False", missing, f"{name} failed to become ready."),
        "Unknown": ("Unknown", missing, f"{name} is not yet ready."),
    }
    return wanted, problems.get(condition(revision, "Ready")["status"])
