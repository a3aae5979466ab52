"""`knative/`: a kustomize base, overlays and the plain form, rendered from every `function.toml`.

knative/
|- kustomization.yaml       the base with its images: `kubectl apply -k knative/`
|- base/NAME/service.yaml   one Knative Service a function
|- images/                  where the images are: the only file here that people write
|- overlays/                cluster-local; for uploads: eventing, integration-source, minio
|- kserve/                  the same image as a KServe runtime
|- kubernetes/              Deployment, Service and so on, for clusters without Knative
"""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from liteship.deploy.jinja import templates_in
from liteship.deploy.kubernetes.images import image_of, images_file, images_path, scalar
from liteship.project import load_functions
from liteship.runtime.settings import prefixes_overlap

if TYPE_CHECKING:
    from jinja2 import Environment

    from liteship.config import FunctionConfig, S3Trigger
    from liteship.located_model import LocatedModel

TEMPLATES = Path(__file__).with_name("templates")

START_ALLOWANCE_S = 50
"""What a request that wakes a Pod may wait for, image pull included, beyond `runtime.timeout_s`."""

GREATEST_TIMEOUT_S = 600
"""Knative's `max-revision-timeout-seconds`
(https://knative.dev/docs/serving/configuration/config-defaults/#revision-timeout-seconds)."""

REPLICAS = 3
"""Of the plain form: one may be drained and one be starting while one answers."""

GRACE_S = 30
"""More than the server takes from SIGTERM on, until every request has its answer (25 s)."""

READ_PREFIXES = ("read/", "moved/", "done/")
"""Where a source puts what it has read: the first that is neither input nor output. Each of those two
can be in the way of one of these at most, as no two begin alike."""

MIB = 1024 * 1024

TMP_ALLOWANCE_MIB = 16
"""Of /tmp, beyond the model that is downloaded into it. Kubernetes ends a Pod that has written more
(https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)."""

DIGEST_LENGTH = 8
"""Hexadecimal digits of the settings' digest in a Revision's name."""

LABEL_LENGTH = 63
"""Of a Revision's name, which is a DNS label
(https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""


def render(root: Path) -> dict[Path, str]:
    """What every file in `knative/` should hold.

    Args:
        root: The project's folder.

    Returns:
        Text by path.

    Raises:
        ConfigurationError: A `function.toml` is invalid, or `images-invalid`.
    """
    configs = [function.config for function in load_functions(root)]
    everyone = [_view(config) for config in configs]
    uploads = [view for view in everyone if view["s3"] is not None]
    folder = root / "knative"
    images = images_path(root)
    files = {
        folder / "kustomization.yaml": _text("kustomization.yaml"),
        folder / "base" / "kustomization.yaml": _text("base.yaml", functions=everyone),
        images: images_file(images, [config.name for config in configs]),
        folder / "overlays" / "cluster-local" / "kustomization.yaml": _text("cluster-local.yaml"),
        folder / "kserve" / "kustomization.yaml": _text("kserve-all.yaml", functions=everyone),
        folder / "kubernetes" / "kustomization.yaml": _text("plain-all.yaml", functions=everyone),
    }
    for config in configs:
        files[folder / "base" / config.name / "service.yaml"] = _text(
            "service.yaml",
            f=_view(config),
            revision=revision_name(config, image_of(root, config.name)),
        )
        files[folder / "kserve" / f"{config.name}.yaml"] = _text("kserve.yaml", f=_view(config))
        files[folder / "kubernetes" / f"{config.name}.yaml"] = _text("plain.yaml", f=_view(config))
    if uploads:
        files |= _eventing(folder / "overlays", uploads)
    return files


def service(config: FunctionConfig, image: str) -> dict[str, Any]:
    """The Knative Service of one function.

    Args:
        config: Its `function.toml`.
        image: Reference, best with a digest: `registry.example.com/digits@sha256:…`.

    Returns:
        The manifest. Its Revision has another name as soon as anything in it is another, the image
        included.
    """
    revision = revision_name(config, image)
    text = _text("service.yaml", f=_view(config, image), revision=revision)
    manifest: dict[str, Any] = yaml.safe_load(text)
    return manifest


def plain(config: FunctionConfig, image: str) -> list[dict[str, Any]]:
    """The manifests of one function for a cluster without Knative, in the order to apply them.

    Args:
        config: Its `function.toml`.
        image: Reference, best with a digest.
    """
    return list(yaml.safe_load_all(_text("plain.yaml", f=_view(config, image))))


def kserve(config: FunctionConfig, image: str) -> list[dict[str, Any]]:
    """The ServingRuntime and the InferenceService of one function.

    Args:
        config: Its `function.toml`.
        image: Reference, best with a digest.
    """
    return list(yaml.safe_load_all(_text("kserve.yaml", f=_view(config, image))))


def revision_name(config: FunctionConfig, image: str) -> str:
    """`NAME-vVERSION-DIGEST`, a name for this version with these settings and this image alone.

    Knative refuses a changed template under an unchanged name, and one without a name gets a number
    that says nothing (https://knative.dev/docs/serving/revisions/).
    """
    view = _view(config, image)
    template = yaml.safe_load(_text("service.yaml", f=view, revision="digest"))["spec"]["template"]
    content = json.dumps(template, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    room = LABEL_LENGTH - len(f"{config.name}-v-{digest}")
    return f"{config.name}-v{config.version[:room].rstrip('-')}-{digest}"


def _eventing(overlays: Path, uploads: list[dict[str, Any]]) -> dict[Path, str]:
    """The overlays for functions that answer uploads: the Broker, and two sources of events."""
    eventing, source, minio = (overlays / each for each in ("eventing", "integration-source", "minio"))
    files = {
        eventing / "kustomization.yaml": _text("eventing.yaml", functions=uploads),
        eventing / "broker.yaml": _text("broker.yaml"),
        source / "kustomization.yaml": _text("source-all.yaml", functions=uploads, minio=False),
        minio / "kustomization.yaml": _text("source-all.yaml", functions=uploads, minio=True),
    }
    for view in uploads:
        name = f"{view['name']}.yaml"
        files[eventing / name] = _text("trigger.yaml", f=view)
        files[source / name] = _text("source.yaml", f=view, minio=False)
        files[minio / name] = _text("source.yaml", f=view, minio=True)
    return files


def _view(config: FunctionConfig, image: str | None = None) -> dict[str, Any]:
    """What the templates say of one function."""
    settings = config.knative
    s3 = config.triggers.s3
    model = config.located_model()
    return {
        **settings.model_dump(exclude={"cpu_request", "cpu_limit", "memory_request_mib"}),
        "name": config.name,
        "version": config.version,
        "image": image or config.name,
        "cpu_request": _cpu(settings.cpu_request),
        "cpu_limit": _cpu(settings.cpu_limit),
        "memory_request": _memory(settings.memory_request_mib),
        "memory_limit": _memory(config.runtime.memory_mib),
        "timeout_s": min(GREATEST_TIMEOUT_S, START_ALLOWANCE_S + config.runtime.timeout_s),
        "environment": _environment_of(config, model),
        "volume": _volume(config, model) if model else None,
        "least_replicas": max(REPLICAS, settings.min_scale),
        "most_replicas": max(REPLICAS, settings.max_scale),
        "s3": None if s3 is None else _s3_view(config.name, s3),
        "asks_s3": s3 is not None or (model is not None and model.is_in_s3),
    }


def _environment_of(config: FunctionConfig, model: LocatedModel | None) -> dict[str, str]:
    s3 = config.triggers.s3
    # What the source below is told, too: events of any other bucket are refused
    bucket = {"LITESHIP_S3_BUCKET": _bucket_name(config.name, s3)} if s3 is not None else {}
    return config.environment() | bucket | (model.environment if model else {})


def _bucket_name(name: str, s3: S3Trigger) -> str:
    return s3.bucket or f"{name}-uploads"


def _volume(config: FunctionConfig, model: LocatedModel) -> dict[str, Any]:
    """What is mounted for a model that is not in the image."""
    if not model.is_in_s3:
        claim = config.knative.volume_claim
        return {"name": "models", "path": config.model.location, "claim": claim, "size": None}
    # The root file system cannot be written to
    size_mib = TMP_ALLOWANCE_MIB + math.ceil(model.size_bytes / MIB)
    return {"name": "tmp", "path": "/tmp", "claim": None, "size": _memory(size_mib)}  # noqa: S108


def _s3_view(name: str, s3: S3Trigger) -> dict[str, Any]:
    mine = (s3.input_prefix, s3.output_prefix)
    read_prefix = next(
        each for each in READ_PREFIXES if not any(prefixes_overlap(each, prefix) for prefix in mine)
    )
    return {
        **s3.model_dump(),
        "bucket_name": _bucket_name(name, s3),
        "read_prefix": read_prefix,
    }


def _cpu(processors: float) -> str:
    """Kubernetes' canonical form: `2`, `500m`.

    It gives this form back whatever it was given, and compares texts: with another one, a manifest that
    `kubectl apply` wrote before would be in conflict with itself
    (https://github.com/kubernetes/kubernetes/issues/94275).
    """
    millis = round(processors * 1000)
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def _memory(mib: int) -> str:
    """The same for bytes: `2Gi`, `512Mi`."""
    return f"{mib}Mi" if mib % 1024 else f"{mib // 1024}Gi"


def _text(template: str, **context: object) -> str:
    return _environment().get_template(f"{template}.j2").render(context, grace_s=GRACE_S)


@cache
def _environment() -> Environment:
    environment = templates_in(TEMPLATES)
    environment.filters["scalar"] = scalar
    return environment
