"""Conversions from end to end: real models, the real child process, the real quantizer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.integration.conversion.requests import DATA, LABELS, request_from

from liteship import Artifact, Predictor
from liteship.artifact import Postprocessing, Preprocessing
from liteship.conversion.child import STAGES
from liteship.conversion.pipeline import convert_model
from liteship.errors import (
    AccuracyError,
    CalibrationError,
    ConversionError,
    LiteshipError,
    SourceModelError,
)
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.conversion.request import ConversionRequest, ConversionResult


def nothing(_stage: str, _done: int, _of: int) -> None:
    """Nobody watches."""


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def refusal(request: ConversionRequest, progress: Any = nothing) -> LiteshipError:
    """The error of a conversion that must fail, and must leave nothing behind."""
    before = contents(request.output) if request.output.exists() else None
    with pytest.raises(LiteshipError) as raised:
        convert_model(request, progress)
    assert (contents(request.output) if request.output.exists() else None) == before
    assert raised.value.hint
    return raised.value


@pytest.fixture(scope="module")
def converted(
    sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ConversionResult, list[tuple[str, int, int]]]:
    """The Keras model's conversion, and the progress it told."""
    told: list[tuple[str, int, int]] = []
    request = request_from(sources, tmp_path_factory.mktemp("converted") / "model", "digits.keras")
    result = convert_model(request, lambda stage, done, of: told.append((stage, done, of)))
    return result, told


def test_a_keras_model_becomes_a_proven_int8_artifact(converted: Any, sources: Path) -> None:
    result, _ = converted
    artifact = Artifact.load(result.output)
    assert artifact.manifest.as_dict() == result.manifest.as_dict()
    assert artifact.manifest.scheme == "int8"
    assert {spec.dtype for spec in (*artifact.manifest.inputs, *artifact.manifest.outputs)} == {"int8"}
    assert len(artifact.model) < result.float_bytes
    # Names of tensors apart, what TensorFlow's converter makes of the Keras model itself
    assert abs(result.float_bytes - (sources / "digits.tflite").stat().st_size) < 100
    assert result.source_bytes == (sources / "digits.keras").stat().st_size
    assert result.agreement.cosine_similarity > 0.99
    assert result.accuracy is not None
    assert result.accuracy.samples == 200
    assert result.accuracy.source > 0.8
    assert result.accuracy.drop <= 0.05
    provenance: Any = artifact.manifest.provenance
    assert provenance["source"]["format"] == "keras"
    assert provenance["source"]["float_difference"] <= 1e-6
    assert provenance["calibration"]["samples"] == 60
    assert provenance["accuracy"]["artifact"] == result.accuracy.artifact


def test_progress_is_told_stage_by_stage(converted: Any) -> None:
    _, told = converted
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["load", "float", "compare", "calibrate", "quantize", "evaluate", "layers"]
    assert [done for stage, done, _ in told if stage == "calibrate"] == list(range(61))


def test_the_range_of_the_input_is_its_true_minimum_and_maximum(converted: Any, sources: Path) -> None:
    result, _ = converted
    (spec,) = result.manifest.inputs
    with np.load(sources / "calibration.npz") as file:
        image = file["image"]
    assert spec.scale == pytest.approx(float(image.max() - image.min()) / 255, rel=1e-5)
    assert (-128 - spec.zero_point) * spec.scale == pytest.approx(float(image.min()), abs=spec.scale)


def test_the_golden_input_is_a_calibration_sample(converted: Any, sources: Path) -> None:
    result, _ = converted
    artifact = Artifact.load(result.output)
    (spec,) = artifact.manifest.inputs
    with np.load(sources / "calibration.npz") as file:
        steps = np.rint(file["image"].astype(np.float64) / spec.scale) + spec.zero_point
    samples = {row.tobytes() for row in steps.clip(-128, 127).astype(np.int8)}
    assert artifact.golden_inputs[0] in samples
    Predictor.load(result.output).warm_up()


def test_the_same_inputs_give_the_same_bytes(
    converted: Any, request_for: Callable[..., ConversionRequest]
) -> None:
    result, _ = converted
    again = convert_model(request_for("digits.keras"), nothing)
    assert contents(again.output) == contents(result.output)


@pytest.mark.parametrize("source", ["digits.h5", "digits.tflite"])
def test_every_form_of_the_source_gives_the_same_model(
    source: str, converted: Any, request_for: Callable[..., ConversionRequest]
) -> None:
    result, _ = converted
    other = convert_model(request_for(source), nothing)
    ours, theirs = Artifact.load(result.output), Artifact.load(other.output)
    assert ours.golden_inputs == theirs.golden_inputs
    assert ours.manifest.golden.outputs == theirs.manifest.golden.outputs
    assert ours.manifest.inputs == theirs.manifest.inputs
    assert other.accuracy is not None
    assert other.accuracy.artifact == result.accuracy.artifact


@pytest.mark.parametrize("source", ["pair.keras", "pair.tflite"])
def test_a_model_of_two_tensors_is_converted_and_measured(
    source: str, sources: Path, request_for: Callable[..., ConversionRequest]
) -> None:
    request = request_for(
        source=source,
        calibration=str(sources / "pair-calibration.npz"),
        evaluation=str(sources / "pair-evaluation.npz"),
        max_drop=0.2,
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(),
    )
    result = convert_model(request, nothing)
    assert result.accuracy is not None
    assert result.accuracy.source == 1  # the labels are its own answers
    assert result.accuracy.artifact >= 0.8
    assert {spec.name for spec in result.manifest.inputs} == {"left", "right"}
    sample = {"left": [0.1, 0.2, 0.3], "right": [0.4, 0.5]}
    body = json.dumps({"inputs": sample}).encode()
    prediction = Predictor.load(result.output).predict(body, "application/json")
    outputs: Any = prediction.fields["outputs"]
    assert sum(outputs[0]["data"]) == pytest.approx(1, abs=0.02)


def test_without_an_evaluation_no_accuracy_is_claimed(
    request_for: Callable[..., ConversionRequest],
) -> None:
    result = convert_model(request_for(evaluation=None), nothing)
    assert result.accuracy is None
    assert "accuracy" not in result.manifest.provenance


def test_a_tensor_that_stays_in_float_is_named(
    request_for: Callable[..., ConversionRequest], tmp_path: Path
) -> None:
    """ARGMAX has no int8 kernel in the quantizer."""
    source = DATA / "models" / "pair-float32.tflite"
    rng = np.random.default_rng(71)
    arrays: Any = {
        spec.name: rng.integers(0, 5, (20, *spec.item_shape[1:])).astype(spec.dtype)
        for spec in create_interpreter(source.read_bytes()).inputs.values()
    }
    np.savez(tmp_path / "pair.npz", **arrays)
    error = refusal(
        request_for(
            source=str(source),
            calibration=str(tmp_path / "pair.npz"),
            evaluation=None,
            preprocessing=Preprocessing("tensor"),
            postprocessing=Postprocessing(),
        )
    )
    assert isinstance(error, ConversionError)
    assert error.reference == "float-remainder"
    assert error.problems


def test_a_loss_over_the_budget_leaves_the_older_artifact_as_it_was(
    converted: Any, request_for: Callable[..., ConversionRequest], sources: Path, tmp_path: Path
) -> None:
    """Calibrated on the darkest pixels, the model is blind: alike there, wrong on real pictures."""
    result, _ = converted
    request = request_for(calibration=str(tmp_path / "dark.npz"), max_drop=0.01, repair=False)
    with np.load(sources / "calibration.npz") as file:
        np.savez(request.calibration, image=file["image"] / 50)
    Artifact.load(result.output).save(request.output)
    error = refusal(request)
    assert isinstance(error, AccuracyError)
    assert error.reference == "accuracy-budget"
    assert "200 samples" in str(error.expected)
    assert contents(request.output) == contents(result.output)


def test_labels_that_do_not_fit_the_model_are_refused(
    request_for: Callable[..., ConversionRequest],
) -> None:
    error = refusal(request_for(evaluation=None, postprocessing=Postprocessing(labels=LABELS[:9])))
    assert isinstance(error, ConversionError)
    assert error.reference == "manifest-contradiction"
    assert "9 labels for 10 outputs" in error.problems


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ("digits.weights.h5", "source-weights-only", "weights without the model's structure"),
        ("nonsense.keras", "source-corrupt", "Nonsense"),
    ],
)
def test_a_source_that_keras_cannot_load_is_told(
    source: str, reference: str, message: str, request_for: Callable[..., ConversionRequest]
) -> None:
    error = refusal(request_for(source))
    assert isinstance(error, SourceModelError)
    assert error.reference == reference
    assert message in error.message
    assert source in error.message


def test_a_source_that_is_cut_is_refused_before_a_child_is_started(
    request_for: Callable[..., ConversionRequest], sources: Path, tmp_path: Path
) -> None:
    whole = (sources / "digits.keras").read_bytes()
    cut = tmp_path / "cut.keras"
    cut.write_bytes(whole[: len(whole) // 2])
    told: list[str] = []
    error = refusal(request_for(str(cut)), lambda stage, _done, _of: told.append(stage))
    assert error.reference == "source-corrupt"
    assert told == []


def test_a_flatbuffer_that_is_cut_is_told(
    request_for: Callable[..., ConversionRequest], sources: Path, tmp_path: Path
) -> None:
    whole = (sources / "digits.tflite").read_bytes()
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(whole[: len(whole) // 2])
    error = refusal(request_for(str(cut)))
    assert isinstance(error, SourceModelError)
    assert error.reference == "source-corrupt"


def test_calibration_data_that_cannot_calibrate_is_told_through_the_child(
    request_for: Callable[..., ConversionRequest], tmp_path: Path
) -> None:
    bad = np.full((5, 8, 8, 1), np.nan, np.float32)
    np.savez(tmp_path / "nan.npz", image=bad)
    error = refusal(request_for(calibration=str(tmp_path / "nan.npz")))
    assert isinstance(error, CalibrationError)
    assert error.reference == "calibration-invalid"
    assert error.problems == ("image: 320 of 320 values are NaN or infinite",)


def test_evaluation_data_of_another_form_is_told_through_the_child(
    request_for: Callable[..., ConversionRequest], sources: Path
) -> None:
    # Normalised floats instead of the pictures that callers send.
    with np.load(sources / "calibration.npz") as file:
        image = file["image"]
    path = sources / "floats.npz"
    np.savez(path, image=image, label=np.zeros(len(image), int))
    error = refusal(request_for(evaluation=str(path)))
    assert isinstance(error, CalibrationError)
    assert error.reference == "evaluation-invalid"
    assert "uint8" in error.problems[0]


def test_labels_beyond_the_models_classes_are_told(
    request_for: Callable[..., ConversionRequest], sources: Path
) -> None:
    with np.load(sources / "evaluation.npz") as file:
        np.savez(sources / "from-one.npz", image=file["image"], label=file["label"] + 1)
    error = refusal(request_for(evaluation=str(sources / "from-one.npz")))
    assert isinstance(error, CalibrationError)
    assert any("10" in problem for problem in error.problems)


def worker_pid() -> int:
    """The conversion's child of this process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:  # it ended meanwhile
                continue
            if parent == os.getpid() and b"liteship.conversion.workers" in command:
                return int(entry.name)
    pytest.fail("the conversion has no child process")


@pytest.mark.parametrize(
    ("source", "stage"), [("digits.keras", "load"), ("digits.tflite", "calibrate")]
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_is_an_error_that_names_the_stage(
    source: str, stage: str, number: signal.Signals, request_for: Callable[..., ConversionRequest]
) -> None:
    killed: list[int] = []

    def kill(now: str, _done: int, _of: int) -> None:
        if now == stage and not killed:
            killed.append(worker_pid())
            os.kill(killed[0], number)

    error = refusal(request_for(source), kill)
    assert killed
    assert isinstance(error, ConversionError)
    assert error.reference == "conversion-crashed"
    assert STAGES[stage] in error.message
    assert number.name in error.message


def test_whoever_interrupts_leaves_no_child_behind(
    request_for: Callable[..., ConversionRequest],
) -> None:
    pids: list[int] = []

    def interrupt(_stage: str, _done: int, _of: int) -> None:
        pids.append(worker_pid())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_model(request_for("digits.keras"), interrupt)
    assert not (Path("/proc") / str(pids[0])).exists()


def test_what_the_converters_print_stays_in_the_child(
    request_for: Callable[..., ConversionRequest], capfd: pytest.CaptureFixture[str]
) -> None:
    convert_model(request_for(evaluation=None), nothing)
    captured = capfd.readouterr()
    assert captured.out == ""


def test_the_committed_model_is_small_enough(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    provenance: Any = artifact.manifest.provenance
    assert len(artifact.model) <= 0.27 * provenance["source"]["float_tflite_bytes"]
    accuracy = provenance["accuracy"]
    assert accuracy["source"] >= 0.97
    assert accuracy["source"] - accuracy["artifact"] <= accuracy["max_drop"]


def test_a_dynamic_model_compatible_with_tflite_runtime_is_answered_right_by_it(
    request_for: Callable[..., ConversionRequest], tflite_runtime_python: Path
) -> None:
    """The self-test decides: with a scale a channel tflite-runtime fails it, with one it passes."""
    verdicts = {}
    for runtime in ("litert", "tflite-runtime"):
        request = request_for(scheme="dynamic", compatible_with=runtime)
        result = convert_model(request, nothing)
        assert result.manifest.scheme == "dynamic"
        assert result.manifest.inputs[0].dtype == "float32"
        assert result.accuracy is not None
        assert result.manifest.size_bytes < 0.5 * result.float_bytes
        code = "import sys, liteship; liteship.Predictor.load(sys.argv[1], backend='tflite-runtime')"
        loaded = subprocess.run(
            [tflite_runtime_python, "-c", code, request.output],
            env={"PYTHONPATH": str(DATA.parents[1] / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        verdicts[runtime] = "answers the golden input" in loaded.stderr, loaded.returncode == 0
    assert verdicts == {"litert": (True, False), "tflite-runtime": (False, True)}
