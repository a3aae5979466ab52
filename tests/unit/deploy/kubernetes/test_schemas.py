"""Every manifest against the schemas that Kubernetes, Knative and KServe publish."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from liteship.deploy.kubernetes.manifests import kserve, plain, render, service

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.config import FunctionConfig

    Refusals = Callable[[dict[str, Any]], list[str]]

ROOT = Path(__file__).parents[4]

MANIFESTS = sorted(
    path for path in (ROOT / "knative").rglob("*.yaml") if path.name != "kustomization.yaml"
)

IMAGE = f"registry.example.com/one@sha256:{'a' * 64}"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT / "knative")))
def test_what_is_committed_is_valid(path: Path, refusals: Refusals) -> None:
    manifests = list(yaml.safe_load_all(path.read_text()))
    assert manifests
    for manifest in manifests:
        assert refusals(manifest) == []


def test_every_variant_is_valid(config: FunctionConfig, refusals: Refusals) -> None:
    for manifest in (service(config, IMAGE), *plain(config, IMAGE), *kserve(config, IMAGE)):
        assert refusals(manifest) == [], manifest["kind"]


@pytest.mark.parametrize("queue", ["true", "false"])
def test_every_source_of_events_is_valid(
    queue: str, project: Callable[..., Path], refusals: Refusals
) -> None:
    texts = render(project(one=f"[triggers.s3]\nqueue = {queue}\ninput_prefix = 'a: #b/'\n"))
    manifests = [
        manifest
        for path, text in texts.items()
        if "overlays" in path.parts and path.name != "kustomization.yaml"
        for manifest in yaml.safe_load_all(text)
    ]
    assert sorted(manifest["kind"] for manifest in manifests) == [
        *("Broker", "IntegrationSource", "IntegrationSource", "Trigger")
    ]
    for manifest in manifests:
        assert refusals(manifest) == [], manifest["kind"]


@pytest.mark.parametrize(
    ("kind", "place", "wrong"),
    [
        ("Service", ("spec", "template", "spec"), "containerConcurency"),
        (
            "Service",
            ("spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet"),
            "route",
        ),
        ("Deployment", ("spec", "template", "spec", "containers", 0, "securityContext"), "capability"),
        ("HorizontalPodAutoscaler", ("spec",), "minimum"),
        ("PodDisruptionBudget", ("spec",), "minimum"),
        ("NetworkPolicy", ("spec",), "outgoing"),
        ("ServingRuntime", ("spec", "containers", 0), "concurrency"),
        ("InferenceService", ("spec", "predictor", "model"), "storageUrl"),
    ],
)
def test_a_misspelt_field_would_be_found(
    kind: str,
    place: tuple[str | int, ...],
    wrong: str,
    make_config: Callable[..., FunctionConfig],
    refusals: Refusals,
) -> None:
    config = make_config()
    manifests = [service(config, IMAGE), *plain(config, IMAGE), *kserve(config, IMAGE)]
    manifest = copy.deepcopy(next(each for each in manifests if each["kind"] == kind))
    field: Any = manifest
    for part in place:
        field = field[part]
    field[wrong] = "x"
    assert any(wrong in message for message in refusals(manifest))
