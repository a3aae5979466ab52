"""Real conversions of ONNX models, in liteship's environment for them: `make converters`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.converters.comparison import SAMPLES, greatest_difference

import liteship
from liteship.conversion.environments import environment_for
from liteship.conversion.sources import check_source, source_digest
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of the environment for ONNX; installed where it is missing, which takes a while."""
    return environment_for("onnx", print)


@pytest.fixture(scope="session")
def models(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    subprocess.run([python, HERE / "make_onnx.py", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def driver(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process of that environment; importing TensorFlow once is enough."""
    folder = tmp_path_factory.mktemp("driver")
    with (folder.with_suffix(".log")).open("w") as log:
        process = subprocess.Popen(
            [python, HERE / "onnx_driver.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path(liteship.__file__).parents[1])},
        )
        with process:
            yield process
            assert process.stdin is not None
            process.stdin.close()


class Converter:
    """Converts in the other environment."""

    def __init__(self, driver: subprocess.Popen[str], models: Path, folder: Path) -> None:
        self._driver, self._models, self._folder = driver, models, folder

    def run(self, source: str | Path, samples: Any, **options: Any) -> None:
        path = self._models / f"{source}.onnx" if isinstance(source, str) else source
        request = {"source": str(path), "options": options}
        (self._folder / "request.json").write_text(json.dumps(request))
        np.savez(self._folder / "samples.npz", **samples)
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.write(f"{self._folder}\n")
        self._driver.stdin.flush()
        assert self._driver.stdout.readline() == "done\n"

    def same(self, source: str | Path, shapes: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Converts, compares with the source on samples of these shapes; the outputs' shapes."""
        rng = np.random.default_rng(1)
        samples: dict[str, Any] = {}
        for name, shape in shapes.items():
            values = rng.integers(0, 50, shape) if name == "ids" else rng.normal(size=shape)
            samples[name] = values.astype(np.int64 if name == "ids" else np.float32)
        self.run(source, samples, **options)
        assert not (self._folder / "error.json").exists(), (self._folder / "error.json").read_text()
        model = (self._folder / "float.tflite").read_bytes()
        with np.load(self._folder / "source.npz") as file:
            expected = {name: file[name] for name in file.files}
        assert greatest_difference(model, samples, expected) < 1e-5
        interpreter = create_interpreter(model)
        assert {name: each.item_shape[1:] for name, each in interpreter.inputs.items()} == {
            name: shape[1:] for name, shape in shapes.items()
        }
        return {name: each.item_shape for name, each in interpreter.outputs.items()}

    def refusal(self, source: str | Path, **options: Any) -> dict[str, Any]:
        self.run(source, {}, **options)
        error: dict[str, Any] = json.loads((self._folder / "error.json").read_text())
        assert error["hint"]
        return error

    def traces(self) -> Any:
        return json.loads((self._folder / "traces.json").read_text())


@pytest.fixture
def converter(driver: subprocess.Popen[str], models: Path, tmp_path: Path) -> Converter:
    return Converter(driver, models, tmp_path)


def test_nchw_pictures_become_nhwc_and_the_batch_stays_open(
    converter: Converter, tmp_path: Path
) -> None:
    outputs = converter.same("classifier", {"image": (SAMPLES, 10, 8, 3)})
    assert outputs == {"scores": (1, 10)}
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(tmp_path / "float.tflite")).get_input_details()
    assert details[0]["shape_signature"].tolist() == [-1, 10, 8, 3]


def test_onnx2tf_reaches_for_nothing_and_leaves_nothing(converter: Converter) -> None:
    converter.same("one-sample", {"image": (SAMPLES, 10, 8, 3)})  # what it downloads pictures for
    assert converter.traces() == {"network": [], "written": []}


def test_a_model_may_keep_its_own_layout(converter: Converter) -> None:
    converter.same("classifier", {"image": (SAMPLES, 3, 10, 8)}, channel_last=False)


def test_tables_and_sequences_keep_their_shapes(converter: Converter) -> None:
    assert converter.same("mlp", {"row": (SAMPLES, 4)}) == {"scores": (1, 3)}
    assert converter.same("sequence", {"steps": (SAMPLES, 5, 4)}) == {"mean": (1, 3)}


def test_two_inputs_one_of_them_ids(converter: Converter, tmp_path: Path) -> None:
    converter.same("pair", {"ids": (SAMPLES, 6), "extra": (SAMPLES, 3)})
    specs = create_interpreter((tmp_path / "float.tflite").read_bytes()).inputs
    assert {name: each.dtype for name, each in specs.items()} == {"ids": "int64", "extra": "float32"}


def test_a_square_picture_out_is_compared_in_its_own_layout(converter: Converter) -> None:
    assert converter.same("masks", {"image": (SAMPLES, 8, 8, 8)}) == {"mask": (1, 8, 8, 8)}


def test_names_that_tensorflow_would_not_keep_are_made_plain(converter: Converter) -> None:
    assert converter.same("odd-names", {"input_1": (SAMPLES, 10, 8, 3)}) == {"scores_0": (1, 10)}


def test_weights_in_a_file_beside_it(converter: Converter) -> None:
    converter.same("external", {"image": (SAMPLES, 10, 8, 3)})


def test_open_height_and_width_need_a_shape(converter: Converter, tmp_path: Path) -> None:
    error = converter.refusal("open-size")
    assert error["reference"] == "input-shape-missing"
    assert "(batch, 3, height, width)" in error["received"]
    assert "--input-shape image=" in error["hint"]
    (tmp_path / "error.json").unlink()
    converter.same("open-size", {"image": (SAMPLES, 10, 8, 3)}, input_shapes={"": (1, 3, 10, 8)})


def test_shapes_that_do_not_fit_are_all_told(converter: Converter) -> None:
    error = converter.refusal("classifier", input_shapes={"picture": (1, 2), "image": (1, 3, 10, 9)})
    assert error["reference"] == "input-shape-invalid"
    assert len(error["problems"]) == 2


@pytest.mark.parametrize(
    ("name", "reference", "words"),
    [
        ("four-samples", "source-batch", "(4, 3, 10, 8)"),
        ("determinant", "float-conversion", "FlexMatrixDeterminant"),
        ("stranger", "float-conversion", "Frobnicate of com.example"),
    ],
)
def test_what_cannot_be_converted_is_named(
    name: str, reference: str, words: str, converter: Converter
) -> None:
    error = converter.refusal(name)
    assert error["reference"] == reference
    assert words in str(error)


def test_a_file_that_is_no_model_is_refused(converter: Converter, models: Path, tmp_path: Path) -> None:
    whole = (models / "mlp.onnx").read_bytes()
    for content in (b"", b"<html></html>", whole[: len(whole) // 2]):
        (tmp_path / "m.onnx").write_bytes(content)
        assert converter.refusal(tmp_path / "m.onnx")["reference"] == "source-corrupt"


def test_check_source_knows_what_onnx_writes(models: Path) -> None:
    for path in models.glob("*.onnx"):
        assert check_source(path) == "onnx"
        assert source_digest(path, "onnx")
