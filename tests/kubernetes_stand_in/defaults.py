"""What the API server and Knative's webhook write into an object that leaves it open, or refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.kubernetes_stand_in.faults import USER
from tests.kubernetes_stand_in.kinds import KNATIVE_GROUP
from tests.kubernetes_stand_in.statuses import Refusal, bad_request

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object

TIMEOUT_S = 300
"""https://knative.dev/docs/serving/configuration/config-defaults/#revision-timeout-seconds."""

PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
"""https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/."""


def admit(live: Object | None, thing: Object, faults: Faults) -> None:
    """Fills in what is open, and refuses what cannot be, as on the way to etcd; changes in place.

    Raises:
        Refusal: Knative's webhook denies it.
    """
    kind = (thing["apiVersion"], thing["kind"])
    if kind == (f"{KNATIVE_GROUP}/v1", "Service"):
        _default_knative_service(live, thing, faults.ephemeral_storage)
        if faults.webhook:
            faults.happened["webhook"] += 1
            raise denied(faults.webhook)
        _validate_knative_service(live, thing)
    elif kind == ("apps/v1", "Deployment"):
        _default_deployment(thing)
    elif kind == ("v1", "Service"):
        _default_service(thing)


def denied(text: str) -> Refusal:
    """https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go."""
    name = "validation.webhook.serving.knative.dev"
    return bad_request(f'admission webhook "{name}" denied the request: {text}')


def _default_knative_service(live: Object | None, thing: Object, ephemeral_storage: str) -> None:
    annotations = thing["metadata"].setdefault("annotations", {})
    if live is None:
        annotations |= {f"{KNATIVE_GROUP}/creator": USER, f"{KNATIVE_GROUP}/lastModifier": USER}
    else:
        before = live["metadata"]["annotations"]
        for name in ("creator", "lastModifier"):
            annotations[f"{KNATIVE_GROUP}/{name}"] = before[f"{KNATIVE_GROUP}/{name}"]
        if live["spec"] != thing["spec"]:
            annotations[f"{KNATIVE_GROUP}/lastModifier"] = USER
    # The webhook reads and writes Go's types, which have these fields always
    metadata = thing["spec"]["template"].setdefault("metadata", {})
    metadata["creationTimestamp"] = None
    spec = thing["spec"]["template"].setdefault("spec", {})
    for container in spec.get("containers", []):
        _round_trip(container)
    before = live["spec"]["template"]["metadata"].get("name") if live else None
    # A Revision of the same name gets no defaults
    # (https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/configuration_defaults.go)
    if not before or metadata.get("name") != before:
        spec.setdefault("enableServiceLinks", False)
        spec.setdefault("containerConcurrency", 0)
        spec.setdefault("timeoutSeconds", TIMEOUT_S)
        for container in spec.get("containers", []):
            _default_knative_container(container)
            if ephemeral_storage:
                requests = container["resources"].setdefault("requests", {})
                requests.setdefault("ephemeral-storage", ephemeral_storage)
    if not thing["spec"].get("traffic"):
        thing["spec"]["traffic"] = [{"latestRevision": True, "percent": 100}]
    for target in thing["spec"]["traffic"]:
        target.setdefault("latestRevision", "revisionName" not in target)


def _default_knative_container(container: Object) -> None:
    """https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/revision_defaults.go."""
    container.setdefault("name", "user-container")
    probe = container.setdefault("readinessProbe", {})
    if not {"httpGet", "tcpSocket", "exec", "grpc"} & set(probe):
        probe["tcpSocket"] = {}
    probe.setdefault("successThreshold", 1)


def _round_trip(container: Object) -> None:
    """What Go's types and the CRD's own defaults add."""
    container.setdefault("resources", {})
    for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
        for way in {"httpGet", "tcpSocket"} & set(container.get(kind, {})):
            container[kind][way].setdefault("port", 0)
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")


def _validate_knative_service(live: Object | None, thing: Object) -> None:
    """https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/route_validation.go."""
    traffic = thing["spec"]["traffic"]
    total = sum(target.get("percent") or 0 for target in traffic)
    if total != 100:
        raise denied(f"validation failed: Traffic targets sum to {total}, want 100: spec.traffic")
    tags = [target["tag"] for target in traffic if "tag" in target]
    for tag in tags:
        if tags.count(tag) > 1:
            first, second = [index for index, target in enumerate(traffic) if target.get("tag") == tag][
                :2
            ]
            raise denied(
                f'validation failed: Multiple definitions for "{tag}": spec.traffic[{first}].tag, '
                f"spec.traffic[{second}].tag"
            )
    name, template = thing["metadata"]["name"], thing["spec"]["template"]
    revision = template["metadata"].get("name", "")
    if revision and not revision.startswith(f"{name}-"):
        text = f'"{revision}" must have prefix "{name}-"'
        raise denied(f"validation failed: invalid value: {text}: spec.template.metadata.name")
    before = live["spec"]["template"] if live else {}
    if revision and revision == before.get("metadata", {}).get("name") and before != template:
        raise denied(
            "validation failed: Saw the following changes without a name change (-old +new): "
            f"spec.template.metadata.name\n{_difference(before, template)}"
        )


def _difference(before: Object, after: Object, path: str = "{*v1.RevisionTemplateSpec}") -> str:
    """Like the webhook's, a field a line; that one has Go's names."""
    lines = ""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _difference(old, new, f"{path}.{name}")
        elif old != new:
            lines += f"{path}.{name}:\n\t-: {json.dumps(old)}\n\t+: {json.dumps(new)}\n"
    return lines


def _default_deployment(thing: Object) -> None:
    spec = thing["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    pod = spec["template"]["spec"]
    for name, value in {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }.items():
        pod.setdefault(name, value)
    for container in pod["containers"]:
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
            if kind in container:
                container[kind] = PROBE | container[kind]
                if "httpGet" in container[kind]:
                    container[kind]["httpGet"].setdefault("scheme", "HTTP")


def _default_service(thing: Object) -> None:
    spec = thing["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("clusterIP", "10.96.0.10")
    spec.setdefault("clusterIPs", ["10.96.0.10"])
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        spec.setdefault("externalTrafficPolicy", "Cluster")
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
