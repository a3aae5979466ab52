"""Both halves of what `liteship render` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from liteship.deploy.rendering import RENDERERS, drifted, render, require_rendered, write
from liteship.deploy.sam import template
from liteship.errors import ConfigurationError

ROOT = Path(__file__).parents[3]

FUNCTION = """
name = "one"
version = "3"
[model]
source = "x.keras"
calibration = "calibration.npz"
[input]
kind = "tensor"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "functions" / "one"
    folder.mkdir(parents=True)
    (folder / "function.toml").write_text(FUNCTION)
    return tmp_path


def test_the_committed_files_are_what_function_toml_says() -> None:
    assert drifted(ROOT) == []
    require_rendered(ROOT)


def test_no_file_is_rendered_twice() -> None:
    assert sum(len(renderer(ROOT)) for renderer in RENDERERS) == len(render(ROOT))


def test_nothing_else_lies_in_knative() -> None:
    found = {path for path in (ROOT / "knative").rglob("*") if path.is_file()}
    assert found == {path for path in render(ROOT) if path.is_relative_to(ROOT / "knative")}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("template.yaml", ("MemorySize: 512", "MemorySize: 1024")),
        ("knative/base/one/service.yaml", ('max-scale: "10"', 'max-scale: "11"')),
        ("knative/kubernetes/one.yaml", ("replicas: 3", "replicas: 4")),
    ],
)
def test_drift_is_refused_and_render_mends_it(root: Path, name: str, change: tuple[str, str]) -> None:
    assert set(write(root)) == set(render(root))
    assert write(root) == []
    path = root / name
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ConfigurationError) as refused:
        require_rendered(root)
    assert refused.value.reference == "template-drift"
    assert f"{name} is not what function.toml says" in str(refused.value)
    assert write(root) == [path]
    require_rendered(root)


def test_a_stack_does_not_wait_for_the_cluster_s_files(root: Path) -> None:
    write(root, [template.render])
    assert not (root / "knative").exists()
    require_rendered(root, [template.render])
    with pytest.raises(ConfigurationError, match=r"knative/kustomization\.yaml"):
        require_rendered(root)
