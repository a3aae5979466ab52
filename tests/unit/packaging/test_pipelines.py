from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import liteship
from liteship import Artifact
from liteship.artifact import Manifest
from liteship.errors import PackagingError
from liteship.packaging.bundle import bundle
from liteship.packaging.pipelines import require_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    folders = [function_folder / "model", *sorted(ARTIFACTS.glob("*/1"))]
    models = [Artifact.load(folder).manifest for folder in folders]
    (function_folder / "app.py").write_text(APP)

    def check(*steps: str, version: str = "1", more: Sequence[Manifest] = ()) -> tuple[str, ...]:
        own = f'name = "digits"\nversion = "{version}"\n'
        text = f"{own}[pipelines.joined]\nsteps = {json.dumps(steps)}\n"
        (function_folder / "function.toml").write_text(text)
        try:
            require_pipelines(function_folder, [*models, *more])
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
        (("none",), "step none: no such model is shipped, only digits/1"),
        (("digits/2",), "step digits/2: no such model is shipped, only digits/1"),
        (("features/2",), "step features/2: no such model is shipped, only digits/1"),
        (("none@canary",), "step none@canary: no such model is shipped, only digits/1"),
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


def test_a_pipeline_has_no_models_name(problems: Check) -> None:
    named = another(Artifact.load(ARTIFACTS / "features" / "1").manifest, name="joined")
    assert problems("features", "classifier", more=[named]) == (
        "joined: a model that is shipped has this name: choose another",
    )


def test_every_problem_is_told_at_once(problems: Check) -> None:
    assert len(problems("app:gone", "features", "app:none", "other", "digits", "classifier")) == 4


def another(manifest: Manifest, **changes: Any) -> Manifest:
    fields = {name: getattr(manifest, name) for name in Manifest.__slots__}
    return Manifest(**(fields | changes))


def test_of_several_versions_the_functions_own_is_known(problems: Check) -> None:
    features = Artifact.load(ARTIFACTS / "features" / "1").manifest
    others = [another(features, version="2"), another(features, name="digits", version="2")]
    assert problems("features", "digits", more=others) == ()
    assert len(problems("features/1", "digits", more=others)) == 1
    # its version 2 gives features, version 1 scores
    assert problems("digits", "classifier", version="2", more=others) == ()
    assert len(problems("digits", "classifier", version="1", more=others)) == 1
    assert problems("digits@canary", "classifier", version="1", more=others) == ()


def test_a_function_without_settings_or_pipelines_has_nothing_to_check(function_folder: Path) -> None:
    require_pipelines(function_folder, [])
    (function_folder / "function.toml").write_text('name = "digits"\n')
    require_pipelines(function_folder, [])


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
