from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liteship.config import NORMALIZATIONS, KnativeSection
from liteship.errors import ConfigurationError
from liteship.project import find_root, load_function, read_config
from liteship.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

MINIMAL = """
name = "wine"
version = "1"
[model]
source = "wine.keras"
calibration = "calibration.npz"
[input]
kind = "tensor"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "functions" / "wine" / "function.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        read_config(path)
    return raised.value


def test_the_committed_functions_are_valid() -> None:
    functions = Path(__file__).parents[2] / "functions"
    paths = list(functions.glob("*/function.toml"))
    assert paths
    for path in paths:
        assert read_config(path).name == path.parent.name


def test_the_minimal_file_gets_every_default(write: Callable[[str], Path]) -> None:
    config = read_config(write(MINIMAL))
    assert config.model.max_drop == 0.01
    assert config.output.top_k == 3
    assert config.triggers.http
    assert config.triggers.s3 is None
    assert config.preprocessing().as_dict() == {"kind": "tensor"}
    assert config.environment() == {}


def test_every_problem_is_told_at_once_with_key_and_value(write: Callable[[str], Path]) -> None:
    error = refusal(
        write(
            """
            name = "wine"
            colour = "red"
            [model]
            source = 5
            scheme = "int3"
            [input]
            kind = "image"
            color = "CMYK"
            stray = 1
            [output]
            top_k = 0
            labels = ["a", 1]
            [runtime]
            memory_mib = 64
            timeout_s = "10"
            python = "2.7"
            [triggers]
            http = "yes"
            sqs = true
            """
        )
    )
    assert error.reference == "function-invalid"
    expected = {
        "version: missing",
        "colour: unknown key",
        "model.source: Input should be a valid string; received 5",
        "model.calibration: missing",
        (
            "model.scheme: Input should be 'int8', 'int8-float-io', 'int16x8', 'dynamic', "
            "'weight-only-int8', 'weight-only-int4', 'float16', 'float32' or 'auto'; received 'int3'"
        ),
        "input.color: Input should be 'L', 'RGB' or 'BGR'; received 'CMYK'",
        "input.stray: unknown key",
        "output.top_k: Input should be greater than or equal to 1; received 0",
        "output.labels.1: Input should be a valid string; received 1",
        "runtime.memory_mib: Input should be greater than or equal to 128; received 64",
        "runtime.timeout_s: Input should be a valid integer; received '10'",
        "runtime.python: Input should be '3.12', '3.13' or '3.14'; received '2.7'",
        "triggers.http: Input should be a valid boolean; received 'yes'",
        "triggers.sqs: unknown key",
    }
    assert set(error.problems) == expected
    assert f"{len(expected)} problem" in error.message


def test_a_key_named_like_a_kind_of_input_is_still_named(write: Callable[[str], Path]) -> None:
    error = refusal(write(MINIMAL + "image = 1\n[output]\ntensor = 1\n"))
    assert set(error.problems) == {"input.image: unknown key", "output.tensor: unknown key"}


@pytest.mark.parametrize("kind", ['kind = "sound"', "kind = 5", ""])
def test_an_input_of_another_kind_is_refused(kind: str, write: Callable[[str], Path]) -> None:
    (problem,) = refusal(write(MINIMAL.replace('kind = "tensor"', kind))).problems
    assert problem.startswith("input: ")
    assert "kind" in problem


@pytest.mark.parametrize("text", ["name = ", "name = 1\nname = 2", "[model", "\x00"])
def test_what_is_not_toml_is_refused(text: str, write: Callable[[str], Path]) -> None:
    error = refusal(write(text))
    assert error.reference == "function-toml"
    assert "function.toml" in error.message


@pytest.mark.parametrize("budget", ["nan", "inf", "-0.1", "1.1", "-inf"])
def test_a_budget_of_accuracy_is_a_share(budget: str, write: Callable[[str], Path]) -> None:
    toml = MINIMAL.replace('source = "wine.keras"', f'source = "wine.keras"\nmax_drop = {budget}')
    (problem,) = refusal(write(toml)).problems
    assert problem.startswith("model.max_drop: ")


def test_a_budget_of_an_error_is_in_its_own_unit(write: Callable[[str], Path]) -> None:
    toml = MINIMAL.replace(
        'source = "wine.keras"', 'source = "wine.keras"\nmetric = "mae"\nmax_drop = 1.5'
    )
    assert read_config(write(toml)).model.max_drop == 1.5


def test_what_is_not_utf8_is_refused(write: Callable[[str], Path]) -> None:
    path = write("")
    path.write_bytes("name = 'größe'".encode("latin-1"))
    assert refusal(path).reference == "function-toml"


def test_a_name_is_its_folders(write: Callable[[str], Path]) -> None:
    error = refusal(write(MINIMAL.replace('name = "wine"', 'name = "beer"')))
    assert (error.expected, error.received) == ("wine", "beer")


@pytest.mark.parametrize("name", ["", "Wine", "1wine", "wine-", "w_n", "w" * 41, "wine\\n", "a/b"])
def test_a_name_is_a_dns_label(name: str, write: Callable[[str], Path]) -> None:
    error = refusal(write(MINIMAL.replace('name = "wine"', f'name = "{name}"')))
    assert [each.split(":")[0] for each in error.problems] == ["name"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [("a/", "a/"), ("a/", "a/b/"), ("a/b/", "a/"), ("in", "incoming/"), ("", "x/"), ("x/", "")],
)
def test_prefixes_that_overlap_are_refused(
    inputs: str, outputs: str, write: Callable[[str], Path]
) -> None:
    s3 = f'[triggers]\ns3 = {{ input_prefix = "{inputs}", output_prefix = "{outputs}" }}\n'
    error = refusal(write(MINIMAL + s3))
    assert all(problem.startswith("triggers.s3") for problem in error.problems)


@pytest.mark.parametrize(
    ("normalization", "color"), [("caffe", "RGB"), ("caffe", "L"), ("torch", "BGR"), ("torch", "L")]
)
def test_a_normalization_has_its_own_channel_order(
    normalization: str, color: str, write: Callable[[str], Path]
) -> None:
    section = f'kind = "image"\nnormalization = "{normalization}"\ncolor = "{color}"'
    (problem,) = refusal(write(MINIMAL.replace('kind = "tensor"', section))).problems
    assert f"normalization {normalization} needs color" in problem


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_channel_gets_a_mean_and_a_deviation(
    normalization: str, write: Callable[[str], Path]
) -> None:
    color = "BGR" if normalization == "caffe" else "RGB"
    section = f'kind = "image"\nnormalization = "{normalization}"\ncolor = "{color}"'
    preprocessing = read_config(write(MINIMAL.replace('kind = "tensor"', section))).preprocessing()
    assert len(preprocessing.mean) == len(preprocessing.std) == 3
    assert preprocessing.color == color


def test_the_normalizations_are_those_of_keras_and_torchvision() -> None:
    # https://github.com/keras-team/keras/blob/master/keras/src/applications/imagenet_utils.py
    grey, white = 127.5, 255.0
    for mean, std in zip(*map(iter, NORMALIZATIONS["tf"]), strict=True):
        assert ((0 - mean) / std, (grey - mean) / std, (white - mean) / std) == (-1, 0, 1)
    # https://docs.pytorch.org/vision/stable/models.html: mean and std of pixels scaled to 0-1
    mean, std = NORMALIZATIONS["torch"]
    assert mean == pytest.approx([255 * each for each in (0.485, 0.456, 0.406)])
    assert std == pytest.approx([255 * each for each in (0.229, 0.224, 0.225)])
    blue_green_red, (one,) = NORMALIZATIONS["caffe"]
    assert (blue_green_red, one) == ((103.939, 116.779, 123.68), 1.0)


def test_the_environment_carries_what_differs_from_the_defaults(
    write: Callable[[str], Path],
) -> None:
    config = read_config(
        write(
            MINIMAL
            + """
            [runtime]
            observability = "powertools"
            max_body_bytes = 1000
            max_object_bytes = 2000
            max_pixels = 3000
            [triggers]
            s3 = { input_prefix = "up/", output_prefix = "down/" }
            """
        )
    )
    settings = Settings(config.environment())
    assert settings.observability == "powertools"
    assert (settings.max_body_bytes, settings.max_object_bytes) == (1000, 2000)
    assert settings.max_pixels == 3000
    assert (settings.input_prefix, settings.output_prefix) == ("up/", "down/")


def test_a_function_is_found_from_below_its_project(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(MINIMAL)
    root = path.parents[2]
    assert find_root(path.parent) == root
    monkeypatch.chdir(path.parent)
    assert find_root() == root
    found = load_function("wine")
    assert (found.folder, found.root, found.model_folder) == (
        path.parent,
        root,
        path.parent / "model",
    )


def test_among_several_models_its_own_is_below_its_name_and_version(
    write: Callable[[str], Path],
) -> None:
    path = write(f"{MINIMAL}\n[models]\n")
    found = load_function("wine", path.parents[2])
    own = path.parent / "model" / "wine" / found.config.version
    assert found.model_folder == own


def test_no_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_root(tmp_path)
    assert raised.value.reference == "project-missing"


@pytest.mark.parametrize("name", ["beer", "../wine", "wine/", "../functions/wine", "."])
def test_an_unknown_function_is_told_with_those_there_are(
    name: str, write: Callable[[str], Path]
) -> None:
    root = write(MINIMAL).parents[2]
    with pytest.raises(ConfigurationError) as raised:
        load_function(name, root)
    assert raised.value.reference == "function-missing"
    assert raised.value.expected == "one of wine"


def test_scale_has_a_least_and_a_most_in_this_order() -> None:
    with pytest.raises(ValueError, match="min_scale 3 is above max_scale 2"):
        KnativeSection(min_scale=3, max_scale=2)


@pytest.mark.parametrize(
    "location", ["", "s3://", "https://x/y", "/etc", "s3://my-bucket/models/", "s3://b/../c"]
)
def test_where_artifacts_may_be_is_said_in_words(write: Callable[[str], Path], location: str) -> None:
    path = write(MINIMAL.replace("[model]", f'[model]\nlocation = "{location}"'))
    with pytest.raises(ConfigurationError) as raised:
        read_config(path)
    assert "must be image, s3://BUCKET/PREFIX, or a folder below /mnt" in raised.value.problems[0]
