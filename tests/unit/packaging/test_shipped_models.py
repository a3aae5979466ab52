from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import DIGITS, ROOT, copy_version

import liteship
from liteship.artifact.folder import MODEL_FILE
from liteship.errors import ArtifactError, PackagingError
from liteship.packaging.bundle import bundle
from liteship.packaging.image_inputs import MODELS_LABEL, image_labels, model_labels
from liteship.packaging.sbom import model_components
from liteship.packaging.shipped_models import shipped_models
from liteship.project import load_function

BARE = """
import sys
sys.path.insert(0, sys.argv[1])
sys.argv = ["bundle", *sys.argv[2:]]
from liteship.packaging.bundle import main
sys.exit(main())
"""
PLACES = ["model/digits/1", "model/digits/2", "model/wine/1"]


def problems(folder: Path) -> list[str]:
    with pytest.raises(PackagingError) as raised:
        shipped_models(folder)
    assert raised.value.reference == "models-invalid"
    return list(raised.value.problems)


def test_one_artifact_is_shipped_as_it_was() -> None:
    found = shipped_models(DIGITS)
    assert [(place, manifest.version) for place, manifest in found.items()] == [("model", "1")]


def test_of_several_each_is_shipped(repository_folder: Path, tmp_path: Path) -> None:
    (repository_folder / "model" / "wine" / "1" / "notes.txt").write_text("not for shipping\n")
    (repository_folder / "model" / ".cache").mkdir()
    found = shipped_models(repository_folder)
    assert list(found) == PLACES
    assert [f"model/{each.name}/{each.version}" for each in found.values()] == PLACES
    bundle(repository_folder, tmp_path / "out")
    shipped = [path for path in (tmp_path / "out" / "model").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in shipped) == sorted(
        f"{place}/{name}"
        for place in PLACES
        for name in ("golden.bin.zlib", "model.json", "model.tflite")
    )


def test_on_a_bare_python_too(repository_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-c"),
            BARE,
            *(Path(liteship.__file__).parents[1], repository_folder, "--output", tmp_path / "out"),
        ],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / PLACES[2] / "model.json").is_file()


def test_everything_that_is_wrong_is_told_at_once(repository_folder: Path) -> None:
    model = repository_folder / "model"
    (model / "digits" / "1" / MODEL_FILE).write_bytes(b"damaged")
    shutil.copytree(DIGITS / "model", model / "digits" / "3")  # of version 1
    shutil.copytree(DIGITS / "model", model / "shop")
    shutil.copy(DIGITS / "model" / "model.json", model)
    (model / "a b" / "1").mkdir(parents=True)
    (model / "wine" / "1" / "model.json").unlink()
    toml = repository_folder / "function.toml"
    toml.write_text(toml.read_text().replace('stable = "1"', 'stable = "1"\nbeta = "9"'))
    found = problems(repository_folder)
    assert [problem.partition(":")[0] for problem in found] == [
        *("model", "model/shop", "model/a b"),
        *("model/digits/1", "model/digits/3", "model/wine/1", "model/digits/9"),
    ]
    assert "expected digits version 3, received digits version 1" in found[4]
    assert found[6] == "model/digits/9: missing (models.labels.digits.beta)"


def test_the_function_s_own_version_must_be_there(repository_folder: Path) -> None:
    shutil.rmtree(repository_folder / "model" / "digits" / "2")
    (problem,) = problems(repository_folder)
    assert problem == "model/digits/2: missing (the function's own model: liteship convert)"


def test_one_that_is_damaged_is_refused_as_ever(function_folder: Path) -> None:
    (function_folder / "model" / "model.json").unlink()
    with pytest.raises(ArtifactError) as raised:
        shipped_models(function_folder)
    assert raised.value.reference == "artifact-missing"


@pytest.mark.parametrize("text", [b"name = ", b"\xff"])
def test_a_function_toml_that_cannot_be_read_is_told(repository_folder: Path, text: bytes) -> None:
    (repository_folder / "function.toml").write_bytes(text)
    with pytest.raises(PackagingError) as raised:
        shipped_models(repository_folder)
    assert raised.value.reference == "function-toml"


def test_an_image_s_labels_tell_every_model(repository_folder: Path) -> None:
    function = load_function("digits", repository_folder.parents[1])
    before = image_labels(function)
    assert before["liteship.version"] == "2"
    assert before.items() >= model_labels(function).items()
    copy_version(DIGITS / "model", repository_folder / "model" / "wine" / "2")
    after = image_labels(function)
    assert {name for name, value in after.items() if before[name] != value} == {MODELS_LABEL}
    assert MODELS_LABEL not in image_labels(load_function("digits", ROOT))


def test_a_bill_of_materials_lists_every_model(repository_folder: Path) -> None:
    components = model_components(load_function("digits", repository_folder.parents[1]))
    assert [each.path for each in components] == [f"{place}/{MODEL_FILE}" for place in PLACES]
    assert [(each.name, each.version) for each in components] == [
        *(("digits", "1"), ("digits", "2"), ("wine", "1"))
    ]
    text = json.loads((repository_folder / PLACES[2] / "model.json").read_text())
    assert components[2].sha256 == text["sha256"]
