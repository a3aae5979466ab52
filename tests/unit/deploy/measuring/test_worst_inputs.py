from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liteship.artifact import Artifact
from liteship.deploy.measuring.worst_inputs import FORMS, worst_inputs
from liteship.errors import PayloadTooLargeError
from liteship.project import load_function
from liteship.runtime.codecs import decode, sniff_media_type

if TYPE_CHECKING:
    from liteship.config import FunctionConfig

ROOT = Path(__file__).parents[4]
MAX_PIXELS = 40_000
BUDGET_BYTES = 300_000


@pytest.fixture(scope="module")
def artifact(artifact_folder: Path) -> Artifact:
    return Artifact.load(artifact_folder)


@pytest.fixture(scope="module")
def config() -> FunctionConfig:
    config = load_function("digits", ROOT).config
    runtime = config.runtime.model_copy(update={"max_pixels": MAX_PIXELS})
    return config.model_copy(update={"runtime": runtime})


def test_every_worst_input_is_one_that_the_function_answers(
    config: FunctionConfig, artifact: Artifact
) -> None:
    found = list(worst_inputs(config, artifact, BUDGET_BYTES))
    assert len(found) == len(FORMS) + 1
    for worst in found:
        assert BUDGET_BYTES - 100 < len(worst.body) <= BUDGET_BYTES
        assert sniff_media_type(worst.body) == worst.media_type
        (tensors,) = decode(worst.body, worst.media_type, artifact.manifest, MAX_PIXELS, 1)
        assert [len(each) for each in tensors.values()] == [
            spec.size_bytes for spec in artifact.manifest.inputs
        ]


def test_pictures_have_as_many_pixels_as_are_decoded(
    config: FunctionConfig, artifact: Artifact
) -> None:
    for worst in worst_inputs(config, artifact, BUDGET_BYTES):
        with pytest.raises(PayloadTooLargeError):
            decode(worst.body, worst.media_type, artifact.manifest, MAX_PIXELS - 200, 1)


def test_a_budget_too_small_for_noise_gets_one_colour(
    config: FunctionConfig, artifact: Artifact
) -> None:
    found = list(worst_inputs(config, artifact, 2_000))
    assert found
    assert all(len(worst.body) <= 2_000 for worst in found)


@pytest.mark.parametrize(
    ("most", "budget_bytes", "raw", "numbers"),
    [
        (1, BUDGET_BYTES, 1, 1),
        (7, BUDGET_BYTES, 7, 7),
        (1_000_000, 10_000, 156, 9),
    ],
)
def test_tensors_are_sent_in_both_forms_in_the_largest_batch(
    most: int, budget_bytes: int, raw: int, numbers: int, config: FunctionConfig, artifact: Artifact
) -> None:
    runtime = config.runtime.model_copy(update={"max_batch": most})
    tensors = config.model_copy(update={"input": load_tensor_input(), "runtime": runtime})
    found = {worst.media_type: worst.body for worst in worst_inputs(tensors, artifact, budget_bytes)}
    assert found["application/octet-stream"] == b"".join(artifact.golden_inputs) * raw
    assert len(found["application/json"]) == budget_bytes
    for media_type, expected in (("application/octet-stream", raw), ("application/json", numbers)):
        items = decode(found[media_type], media_type, artifact.manifest, MAX_PIXELS, most)
        assert len(items) == expected


def load_tensor_input() -> object:
    from liteship.config import TensorInput

    return TensorInput(kind="tensor")
