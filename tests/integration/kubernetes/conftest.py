"""A cluster's stand-in, and bundles that run in it as images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kubernetes_stand_in import StandIn

from liteship.packaging.bundle import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
DIGITS = ROOT / "functions" / "digits"

IMAGE = f"registry.example.com/digits@sha256:{'1' * 64}"
IMAGE_V2 = f"registry.example.com/digits@sha256:{'2' * 64}"
CRASHING_IMAGE = f"registry.example.com/digits@sha256:{'c' * 64}"
BROKEN_IMAGE = f"registry.example.com/digits@sha256:{'b' * 64}"
MISSING_IMAGE = f"registry.example.com/digits@sha256:{'0' * 64}"
"""Nobody has this one: ImagePullBackOff."""


@pytest.fixture(scope="session")
def digits_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits function as it is in its image."""
    folder = tmp_path_factory.mktemp("bundles") / "digits"
    bundle(DIGITS, folder)
    return folder


@pytest.fixture(scope="session")
def digits_bundle_v2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, called version 2."""
    function = copy_function(tmp_path_factory.mktemp("v2") / "digits")
    manifest = function / "model" / "model.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "2"}))
    folder = tmp_path_factory.mktemp("bundles") / "digits-v2"
    bundle(function, folder)
    return folder


@pytest.fixture(scope="session")
def crashing_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ends as soon as it starts, with exit code 1 and `no such hook` as its last words."""
    function = copy_function(tmp_path_factory.mktemp("crashing") / "digits")
    (function / "app.py").write_text('raise SystemExit("no such hook")\n')
    folder = tmp_path_factory.mktemp("bundles") / "crashing"
    bundle(function, folder)
    return folder


@pytest.fixture(scope="session")
def broken_bundle(digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its golden input is answered wrongly: it runs, and readiness stays 503."""
    folder = tmp_path_factory.mktemp("bundles") / "broken"
    shutil.copytree(digits_bundle, folder)
    manifest = folder / "model" / "model.json"
    content = json.loads(manifest.read_text())
    (output,) = content["golden"]["outputs"]
    content["golden"]["outputs"] = [bytes(each ^ 0x7F for each in bytes.fromhex(output)).hex()]
    manifest.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def bundles(
    digits_bundle: Path, digits_bundle_v2: Path, crashing_bundle: Path, broken_bundle: Path
) -> dict[str, Path]:
    """What the registry has."""
    return {
        IMAGE: digits_bundle,
        IMAGE_V2: digits_bundle_v2,
        CRASHING_IMAGE: crashing_bundle,
        BROKEN_IMAGE: broken_bundle,
    }


@pytest.fixture
def cluster(bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """An empty cluster of one's own, to which KUBECONFIG leads."""
    with StandIn(bundles) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        monkeypatch.delenv("LITESHIP_INGRESS", raising=False)
        yield cluster


def copy_function(target: Path) -> Path:
    """A function's folder that may be changed."""
    target.mkdir(parents=True)
    shutil.copy(DIGITS / "app.py", target)
    shutil.copytree(DIGITS / "model", target / "model")
    return target
