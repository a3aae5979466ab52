"""An image to a registry, by the Docker engine; each refusal as an error with a next step."""

from __future__ import annotations

import re
import subprocess
from typing import IO, TYPE_CHECKING, cast

from liteship.errors import PackagingError
from liteship.packaging.docker import inspect_image
from liteship.packaging.loading import NODE_HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[str, int, int], None]

STAGES = {"push": "pushing the image"}
"""What `push_image` reports."""

_LAYER = re.compile(r"([0-9a-f]{12}): (\w.*)")

_DONE = re.compile("Pushed|Layer already exists|Mounted from")

_REFUSALS = (
    (
        "no basic auth credentials|unauthorized|authentication required|denied|forbidden",
        "push-denied",
        "log in with an account that may push there: docker login {host}",
    ),
    (
        "name unknown|repository .* (does not exist|not found)",
        "push-repository-missing",
        "make the repository first; some registries, such as ECR, make none by themselves",
    ),
    (
        "server gave HTTP response to HTTPS client|does not look like a TLS handshake",
        "registry-insecure",
        (
            'serve it by HTTPS, or add "{host}" to insecure-registries in /etc/docker/daemon.json, '
            "restart the engine, and tell the cluster's nodes the same"
        ),
    ),
    (
        "x509|certificate",
        "registry-insecure",
        "put the certificate of its authority into /etc/docker/certs.d/{host}/ca.crt",
    ),
    (
        "connection refused|no such host|timeout|deadline exceeded|unreachable|no route to host",
        "registry-unreachable",
        "check the registry's name in --tag, the network, and that the registry runs",
    ),
)
"""What engines say, the error's reference, and what to do. Engines have no codes for it
(https://github.com/moby/moby/blob/master/daemon/internal/distribution/errors.go)."""


def registry_of(reference: str) -> str:
    """The registry in an image's name: its first part, if that can only be a host.

    https://github.com/distribution/reference/blob/main/normalize.go

    Raises:
        PackagingError: `registry-missing`, `registry-local`.
    """
    host, slash, rest = reference.partition("/")
    if not slash or not (set(".:") & set(host) or host == "localhost"):
        raise PackagingError(
            "registry-missing",
            f"{reference} names no registry",
            expected="REGISTRY/NAME:TAG, such as registry.example.com/digits:v1",
            received=reference,
            hint=f"add it: --tag registry.example.com/{reference}; Docker Hub is docker.io",
        )
    if host in NODE_HOSTS:
        raise PackagingError(
            "registry-local",
            f"{host} is no registry: images of that name are put on a cluster's nodes",
            received=reference,
            hint=f"use --load kind or --load minikube, or name a registry: "
            f"--tag registry.example.com/{rest}",
        )
    return host


def push_image(reference: str, report: Progress) -> str:
    """Pushes a local image.

    Args:
        reference: REGISTRY/NAME:TAG.
        report: Told stage, layers that are there and layers in all.

    Returns:
        The digest by which the registry knows it, `sha256:…`: another one than the image's id.

    Raises:
        PackagingError: `registry-missing`, `registry-local`, `push-denied`,
            `push-repository-missing`, `registry-insecure`, `registry-unreachable`, `push-failed`.
    """
    host = registry_of(reference)
    code, said = _push(reference, report)
    if code != 0:
        raise _refusal(reference, host, said)
    # Its last line is TAG: digest: sha256:… size: …
    named = re.search(r"\bdigest: (sha256:[0-9a-f]{64})\b", said)
    digest = named[1] if named else _known_digest(reference)
    if digest is None:
        raise PackagingError(
            "push-failed",
            f"the engine says no digest of {reference}",
            received=_last_line(said),
            hint="push again; see what it says: docker image inspect --format '{{.RepoDigests}}' "
            f"{reference}",
        )
    return digest


def _push(reference: str, report: Progress) -> tuple[int, str]:
    layers: dict[str, bool] = {}
    lines = []
    with subprocess.Popen(
        ["docker", "push", reference],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in cast("IO[str]", process.stdout):
                lines.append(line)
                if layer := _LAYER.match(line):
                    layers[layer[1]] = _DONE.match(layer[2]) is not None
                    report("push", sum(layers.values()), len(layers))
        except BaseException:
            process.kill()  # layers that arrived are not sent again next time
            raise
    return process.returncode, "".join(lines)


def _known_digest(reference: str) -> str | None:
    repository = reference.rpartition(":")[0].removeprefix("docker.io/")
    image = inspect_image(reference) or {}
    known = (each.partition("@") for each in image.get("RepoDigests") or [])
    return next((digest for name, _, digest in known if name == repository), None)


def _refusal(reference: str, host: str, said: str) -> PackagingError:
    reason = _last_line(said)
    for pattern, name, hint in _REFUSALS:
        if re.search(pattern, reason, re.IGNORECASE):
            return PackagingError(
                name,
                f"{reference} could not be pushed",
                received=reason,
                hint=hint.format(host=host),
            )
    return PackagingError(
        "push-failed",
        f"{reference} could not be pushed",
        received=reason,
        hint=f"correct what the engine names, then package again; layers that {host} has are not sent "
        "twice",
    )


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message").strip()
