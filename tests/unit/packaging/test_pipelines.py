from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import liteship
from liteship import Artifact
from liteship.errors import PackagingError
from liteship.packaging.bundle import bundle
from liteship.packaging.pipelines import require_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[..., tuple[str, ...]]

ARTIFACTS = Path(__file__).parents[2] / "data" / "pipeline"
SOURCES = Path(liteship.__file__).parents[1]
APP = """
from io import BytesIO as renamed
if True:
    def crop(step): return []
class Crop: pass
later: object
number = 7
def outer():
    def inner(): pass
print(crop)
"""


@pytest.fixture
def problems(function_folder: Path) -> Check:
    """What is wrong with a pipeline of these steps, in a function of three models."""
    for name in ("features", "classifier"):
        shutil.copytree(ARTIFACTS / name, function_folder / "model" / name)
    (function_folder / "app.py").write_text(APP)

    def check(*steps: str) -> tuple[str, ...]:
        text = f"[pipelines.joined]\nsteps = {json.dumps(steps)}\n"
        (function_folder / "function.toml").write_text(text)
        try:
            require_pipelines(function_folder, Artifact.load(function_folder / "model").manifest)
        except PackagingError as error:
            return error.problems
        return ()

    return check


@pytest.mark.parametrize(
    "steps",
    [
        ("features", "classifier"),
        ("features/1", "app:crop", "digits"),
        ("app:crop", "digits/1"),
        ("app:renamed", "digits"),
        ("app:Crop", "digits"),
        # which version that is, only the runtime knows
        ("digits@canary", "features@stable", "classifier"),
    ],
)
def test_steps_that_are_there(problems: Check, steps: tuple[str, ...]) -> None:
    assert problems(*steps) == ()


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (("none",), "step none: there is no such model"),
        (("digits/2",), "step digits/2: there is no such model"),
        (("features/2",), "step features/2: there is no such model"),
        (("none@canary",), "step none@canary: there is no such model"),
        (("app:gone", "digits"), "step app:gone: app.py defines no gone"),
        (("app:inner", "digits"), "step app:inner: app.py defines no inner"),
        (("app:print", "digits"), "step app:print: app.py defines no print"),
        (("other:crop", "digits"), "step other:crop: no module other is shipped"),
        (("train:crop", "digits"), "step train:crop: no module train is shipped"),
        (("broken:crop", "digits"), "step broken:crop: broken.py does not compile"),
        (("classifier", "features"), "output logits int8 [?×10] of classifier to input image"),
        (("features", "digits"), "output features int8 [?×32] of features to input image"),
        (("app:crop",), "the last step must be a model"),
    ],
)
def test_steps_that_are_not_there_or_do_not_fit(
    problems: Check, function_folder: Path, steps: tuple[str, ...], problem: str
) -> None:
    (function_folder / "train.py").write_text("def crop(step): return []\n")
    (function_folder / "broken.py").write_text("def crop(step:\n")
    (found,) = problems(*steps)
    assert found.startswith(f"joined: {problem}"), found


def test_every_problem_is_told_at_once(problems: Check) -> None:
    assert len(problems("app:gone", "features", "app:none", "other", "digits", "classifier")) == 4


def test_of_two_versions_only_the_runtime_knows_the_default(
    problems: Check, function_folder: Path
) -> None:
    shutil.copytree(ARTIFACTS / "features" / "1", function_folder / "model" / "features" / "2")
    assert problems("features", "digits") == ()
    assert len(problems("features/1", "digits")) == 1


def test_a_function_without_settings_has_no_pipelines(function_folder: Path) -> None:
    require_pipelines(function_folder, Artifact.load(function_folder / "model").manifest)


def test_a_bundle_with_a_step_that_is_not_there_is_refused_on_a_bare_python(
    problems: Check, function_folder: Path, tmp_path: Path
) -> None:
    assert problems("app:crop", "digits") == ()
    bundle(function_folder, tmp_path / "out")
    problems("app:gone", "digits")
    done = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "liteship.packaging.bundle"),
            *(function_folder, "--output", tmp_path / "refused"),
        ],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "app.py defines no gone" in done.stderr
    assert not (tmp_path / "refused" / "app.py").exists()
