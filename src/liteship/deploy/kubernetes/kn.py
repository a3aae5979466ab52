"""The `kn` command that makes or changes the Service of `knative/base/NAME/service.yaml`.

Flags: https://github.com/knative/client/blob/main/docs/cmd/kn_service_create.md. They are written from
the manifest, so the command and the file cannot say different things.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AUTOSCALING = "autoscaling.knative.dev"

VISIBILITY = "networking.knative.dev/visibility"

ANNOTATION_FLAGS = {
    "metric": "--scale-metric",
    "target": "--scale-target",
    "target-utilization-percentage": "--scale-utilization",
    "min-scale": "--scale-min",
    "max-scale": "--scale-max",
    "initial-scale": "--scale-init",
    "window": "--scale-window",
}
"""Autoscaling annotations that have a flag of their own."""

CONTAINER = "spec.template.spec.containers.0"

WITHOUT_FLAG = {
    "spec.template.spec.automountServiceAccountToken": "the Pod gets a token that nobody uses",
    f"{CONTAINER}.name": "Knative chooses one",
    f"{CONTAINER}.securityContext.runAsUser": "the image's USER is the same; strict replaces --user",
    f"{CONTAINER}.securityContext.runAsGroup": "the image's USER is the same",
    f"{CONTAINER}.securityContext.readOnlyRootFilesystem": "the root file system can be written to",
    "spec.template.spec.volumes.0.persistentVolumeClaim.readOnly": "Knative refuses the claim unless "
    "kubernetes.podspec-persistent-volume-write is enabled",
}
"""What `kn` has no flag for, and what holds instead."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A field of the manifest that the command cannot set.

    Attributes:
        field: Its place, such as `spec.template.spec.containers.0.name`.
        value: What the manifest says.
        instead: What holds after the command.
    """

    field: str
    value: object
    instead: str


def arguments(manifest: Mapping[str, Any], *, update: bool = False) -> list[str]:
    """The command, word by word.

    Args:
        manifest: What `manifests.service` gives.
        update: `kn service update` instead of `create`.
    """
    template = manifest["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    (port,) = container["ports"]
    visible = manifest["metadata"]["labels"].get(VISIBILITY) != "cluster-local"
    words = ["kn", "service", "update" if update else "create", manifest["metadata"]["name"]]
    words += ["--image", container["image"]]
    words += ["--revision-name", template["metadata"]["name"]]
    words += ["--no-cluster-local" if visible else "--cluster-local"]
    words += ["--port", f"{port['name']}:{port['containerPort']}"]
    for variable in container.get("env", []):
        words += ["--env", f"{variable['name']}={variable['value']}"]
    for source in container.get("envFrom", []):
        words += ["--env-from", f"secret:{source['secretRef']['name']}"]
    for volume in spec.get("volumes", []):
        words += ["--volume", f"{volume['name']}={_volume_source(volume)}"]
    for mount in container.get("volumeMounts", []):
        words += ["--mount", f"{mount['mountPath']}={mount['name']}"]
    if "serviceAccountName" in spec:
        words += ["--service-account", spec["serviceAccountName"]]
    words += ["--concurrency-limit", str(spec["containerConcurrency"])]
    words += ["--timeout", str(spec["timeoutSeconds"])]
    words += _scaling(template["metadata"]["annotations"])
    for kind in ("requests", "limits"):
        amounts = container["resources"][kind]
        words += [f"--{kind[:-1]}", ",".join(f"{key}={value}" for key, value in amounts.items())]
    words += _probe("readiness", container["readinessProbe"])
    words += _probe("liveness", container["livenessProbe"])
    words += ["--security-context", "strict"]
    for key, value in template["metadata"]["labels"].items():
        words += ["--label", f"{key}={value}"]
    return words


def missing(manifest: Mapping[str, Any]) -> list[Missing]:
    """What the command cannot say of this manifest."""
    return [
        Missing(field=field, value=value, instead=instead)
        for field, instead in WITHOUT_FLAG.items()
        if (value := _value(manifest, field)) is not None
    ]


def script(words: Sequence[str]) -> str:
    """The command for a shell: one flag a line, everything quoted that needs it."""
    lines = [shlex.join(words[:4])]
    for word in words[4:]:
        if word.startswith("--"):
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n".join(lines)


def _scaling(annotations: Mapping[str, str]) -> list[str]:
    words = []
    for key, value in annotations.items():
        flag = ANNOTATION_FLAGS.get(key.removeprefix(f"{AUTOSCALING}/"))
        words += [flag, value] if flag else ["--annotation-revision", f"{key}={value}"]
    return words


def _probe(kind: str, probe: Mapping[str, Any]) -> list[str]:
    """`http:HOST:PORT:PATH`; without host and port, the Pod's own address and the container's port."""
    words = [f"--probe-{kind}", f"http:::{probe['httpGet']['path']}"]
    options = ",".join(f"{key}={value}" for key, value in probe.items() if key != "httpGet")
    return [*words, f"--probe-{kind}-opts", options] if options else words


def _volume_source(volume: Mapping[str, Any]) -> str:
    if "emptyDir" in volume:
        return f"emptyDir:{volume['name']}:size={volume['emptyDir']['sizeLimit']}"
    return f"pvc:{volume['persistentVolumeClaim']['claimName']}"


def _value(manifest: Mapping[str, Any], field: str) -> object:
    """What is there; None where the manifest has no such field."""
    value: Any = manifest
    for part in field.split("."):
        try:
            value = value[int(part) if part.isdigit() else part]
        except KeyError:
            return None
    return value
