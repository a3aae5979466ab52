"""The Role of docs/guides/knative.md is enough for every command, and no more than they need."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.integration.kubernetes.conftest import IMAGE

from liteship.cli.main import run
from liteship.deploy.kubernetes.manifests import render
from liteship.deploy.rendering import write

if TYPE_CHECKING:
    from tests.kubernetes_stand_in import StandIn

ROOT = Path(__file__).parents[3]
MISSING = f"registry.example.com/digits@sha256:{'9' * 64}"
"""Nobody has it."""

READABLE = ("get", "namespaces")
"""Asked for, but done without: who may not read namespaces hears later that one is missing."""

LAST_RESORT = ("list", "events")
"""Read where nothing else says why it takes so long, which a stand-in has no time for."""


@pytest.fixture(scope="module")
def rights() -> set[tuple[str, str]]:
    """Verb and resource of each rule, as the stand-in names them."""
    text = (ROOT / "docs" / "guides" / "knative.md").read_text()
    (role,) = (block for block in text.split("```") if "kind: Role\n" in block)
    rules = yaml.safe_load(role.removeprefix("yaml\n"))["rules"]
    return {
        (verb, _qualified(resource, group))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _qualified(resource: str, group: str) -> str:
    plural, _, part = resource.partition("/")
    return ".".join(filter(None, (plural, group))) + (f"/{part}" if part else "")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The digits function in a project of its own."""
    shutil.copytree(ROOT / "functions" / "digits", tmp_path / "functions" / "digits")
    write(tmp_path, [render])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def limited(cluster: StandIn, bundles: dict[str, Path], rights: set[tuple[str, str]]) -> StandIn:
    """A cluster whose user has the Role and nothing else."""
    cluster.faults.allowed = rights
    cluster.faults.pending_addresses = True
    return cluster


def test_the_role_is_enough_and_no_more(
    limited: StandIn, project: Path, digit_png: bytes, rights: set[tuple[str, str]]
) -> None:
    picture = project / "digit.png"
    picture.write_bytes(digit_png)
    for platform in ("knative", "kubernetes"):
        to = ("--to", platform, "--yes", "--json")
        on = ("--on", platform)
        assert run(["deploy", "digits", *to, "--image", IMAGE]) == 0
        assert run(["deploy", "digits", *to, "--image", MISSING]) == 11
        assert run(["deploy", "digits", *to, "--image", IMAGE]) == 0
        assert run(["logs", "digits", *on]) == 0
        assert run(["invoke", "digits", *on, "--image", str(picture)]) == 0
        if platform == "knative":
            assert run(["versions", "digits", *on]) == 0
            assert run(["traffic", "digits", "v1=100", *on]) == 0
        assert run(["delete", "digits", *on, "--yes"]) == 0
    assert limited.faults.used - {READABLE} | {LAST_RESORT} == rights
