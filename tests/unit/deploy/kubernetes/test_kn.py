"""The kn command, read as kn reads it, is the Service of the manifest.

What each flag does: docs/cmd/kn_service_create.md and pkg/flags/podspec_helper.go of
https://github.com/knative/client.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from liteship.deploy.kubernetes.kn import arguments, missing, script
from liteship.deploy.kubernetes.manifests import service

if TYPE_CHECKING:
    from liteship.config import FunctionConfig

IMAGE = f"registry.example.com/one@sha256:{'a' * 64}"

STRICT = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

SCALING = {
    "scale_metric": "metric",
    "scale_target": "target",
    "scale_utilization": "target-utilization-percentage",
    "scale_min": "min-scale",
    "scale_max": "max-scale",
    "scale_init": "initial-scale",
    "scale_window": "window",
}


def parser() -> argparse.ArgumentParser:
    """The flags of `kn service create` and `update` that liteship uses."""
    flags = argparse.ArgumentParser(prog="kn", allow_abbrev=False, exit_on_error=False)
    flags.add_argument("words", nargs=3)
    for name in ("image", "revision-name", "port", "security-context"):
        flags.add_argument(f"--{name}")
    for probe in ("readiness", "liveness"):
        flags.add_argument(f"--probe-{probe}")
        flags.add_argument(f"--probe-{probe}-opts")
    flags.add_argument("--service-account")
    several = ("env", "env-from", "volume", "mount", "label", "annotation-revision", "request", "limit")
    for name in several:
        flags.add_argument(f"--{name}", action="append", default=[])
    for name in ("concurrency-limit", "timeout"):
        flags.add_argument(f"--{name}", type=int)
    for name in ("target", "utilization", "min", "max", "init"):
        flags.add_argument(f"--scale-{name}", type=int)
    for name in ("metric", "window"):
        flags.add_argument(f"--scale-{name}")
    flags.add_argument("--cluster-local", action=argparse.BooleanOptionalAction)
    return flags


def kn(words: list[str]) -> dict[str, Any]:
    """The Service that kn would make."""
    assert words[:2] == ["kn", "service"]
    given = parser().parse_args(words[1:])
    labels = dict(each.split("=", 1) for each in given.label)
    own = {"networking.knative.dev/visibility": "cluster-local"} if given.cluster_local else {}
    scaling = {
        f"autoscaling.knative.dev/{annotation}": str(getattr(given, flag))
        for flag, annotation in SCALING.items()
    }
    port, _, number = given.port.partition(":")
    container = {
        "image": given.image,
        "ports": [{"name": port, "containerPort": int(number)}],
        "readinessProbe": probe(given.probe_readiness, given.probe_readiness_opts),
        "livenessProbe": probe(given.probe_liveness, given.probe_liveness_opts),
        "resources": {"requests": amounts(given.request), "limits": amounts(given.limit)},
        "securityContext": {"strict": dict(STRICT)}[given.security_context],
    }
    if given.env:
        pairs = [each.split("=", 1) for each in given.env]
        container["env"] = [{"name": name, "value": value} for name, value in pairs]
    if given.env_from:
        secrets = [each.removeprefix("secret:") for each in given.env_from]
        container["envFrom"] = [{"secretRef": {"name": secret}} for secret in secrets]
    if given.mount:
        mounts = [each.split("=", 1) for each in given.mount]
        container["volumeMounts"] = [{"name": name, "mountPath": path} for path, name in mounts]
    pod: dict[str, Any] = {"containers": [container]}
    if given.volume:
        pod["volumes"] = [volume(*each.split("=", 1)) for each in given.volume]
    if given.service_account:
        pod["serviceAccountName"] = given.service_account
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": given.words[2], "labels": labels | own},
        "spec": {
            "template": {
                "metadata": {
                    "name": given.revision_name,
                    "labels": labels,
                    "annotations": scaling
                    | dict(each.split("=", 1) for each in given.annotation_revision),
                },
                "spec": {
                    "containerConcurrency": given.concurrency_limit,
                    "timeoutSeconds": given.timeout,
                    **pod,
                },
            }
        },
    }


def volume(name: str, source: str) -> dict[str, Any]:
    kind, _, rest = source.partition(":")
    if kind == "pvc":
        return {"name": name, "persistentVolumeClaim": {"claimName": rest}}
    own, _, size = rest.partition(":size=")
    assert (kind, own) == ("emptyDir", name)
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def as_a_shell_reads(command: str) -> list[str]:
    echo = "kn() { printf '%s\\0' kn \"$@\"; }"
    done = subprocess.run(
        ["sh", "-c", f"{echo}\n{command}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def probe(handler: str, options: str | None) -> dict[str, Any]:
    scheme, host, port, path = handler.split(":")
    assert (scheme, host, port) == ("http", "", "")
    pairs = [option.split("=") for option in options.split(",")] if options else []
    return {"httpGet": {"path": path}} | {key: int(value) for key, value in pairs}


def amounts(flags: list[str]) -> dict[str, str]:
    return dict(pair.split("=") for flag in flags for pair in flag.split(","))


def put(manifest: dict[str, Any], place: str, value: object) -> None:
    *parts, last = place.split(".")
    field: Any = manifest
    for part in parts:
        field = field[int(part) if part.isdigit() else part]
    assert last not in field
    field[last] = value


@pytest.mark.parametrize("update", [False, True])
def test_the_command_and_what_it_cannot_say_are_the_service(
    config: FunctionConfig, *, update: bool
) -> None:
    manifest = service(config, IMAGE)
    words = as_a_shell_reads(script(arguments(manifest, update=update)))
    assert words == arguments(manifest, update=update)
    assert words[2] == ("update" if update else "create")
    made = kn(words)
    assert made != manifest
    for gap in missing(manifest):
        put(made, gap.field, gap.value)
    assert made == manifest


def test_each_flag_has_a_line_of_its_own(config: FunctionConfig) -> None:
    first, *lines = script(arguments(service(config, IMAGE))).splitlines()
    assert first == "kn service create one \\"
    assert all(re.match(r"  --[a-z-]+( |$)", line) for line in lines)
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert not lines[-1].endswith("\\")
