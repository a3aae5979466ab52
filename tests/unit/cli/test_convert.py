from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.cli.convert import _request, _shapes
from liteship.errors import ConfigurationError
from liteship.project import load_function

if TYPE_CHECKING:
    from pathlib import Path

TOML = """
name = "shapes"
version = "2"

[model]
source = "{source}"
calibration = "trained/calibration"
evaluation = "mydata:held_out"
input_shapes = {{ image = [1, 224, 224, 3] }}
fine_tune = "training.npz"
metric = "top5"
prune = 0.5
repair = false

[input]
kind = "image"
"""


def test_a_shape_is_read_with_and_without_a_name() -> None:
    assert _shapes(None) is None
    assert _shapes(["1,224,224,3"]) == {"": (1, 224, 224, 3)}
    assert _shapes(["left=1,3", "right=1,2"]) == {"left": (1, 3), "right": (1, 2)}


@pytest.mark.parametrize("text", ["", "a=", "1,x", "1,,3", "0,3", "-1,3", "224x224"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _shapes([text])
    assert raised.value.reference == "input-shape"


@pytest.mark.parametrize("source", ["trained/shapes", "network:make"])
def test_what_function_toml_says_reaches_the_conversion(source: str, tmp_path: Path) -> None:
    folder = tmp_path / "functions" / "shapes"
    folder.mkdir(parents=True)
    (folder / "function.toml").write_text(TOML.format(source=source))
    request = _request(load_function("shapes", tmp_path), {"signature": "serve"})
    assert request.source == (source if ":" in source else str(folder / source))
    assert request.calibration == str(folder / "trained" / "calibration")
    assert (request.evaluation, request.training) == ("mydata:held_out", str(folder / "training.npz"))
    assert request.options.input_shapes == {"image": (1, 224, 224, 3)}
    assert request.options.signature == "serve"
    assert (request.metric, request.prune, request.repair) == ("top5", 0.5, False)
    assert request.folder == folder
    assert {limit.name for limit in request.limits} >= {"Lambda image"}
    assert request.report_folder == folder / "model-report"
