"""One conversion from end to end: check, convert in a child, compare, measure, write."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liteship import __version__
from liteship.artifact import Artifact, Golden, Manifest
from liteship.artifact.folder import GOLDEN_FILE
from liteship.convert import accuracy as measuring
from liteship.convert.child import run_worker
from liteship.convert.data import check_reference, load_calibration, load_evaluation
from liteship.convert.sources import check_source, source_digest
from liteship.errors import ConversionError
from liteship.quantization import INTEGER_RANGE
from liteship.runtime.interpreter import create_interpreter
from liteship.runtime.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import Postprocessing, Preprocessing, TensorSpec

    Progress = Callable[[str, int, int], None]
    Arrays = Mapping[str, NDArray[np.generic]]

CALIBRATION_SAMPLES = 200
"""Samples used at most: the ranges of the digits model stop moving well before."""

_TOOLS = ("ai-edge-litert", "litert-quantizer", "keras", "tensorflow-cpu")


@dataclass(frozen=True, kw_only=True)
class ConversionRequest:
    """What to convert, and what the result must keep.

    Attributes:
        name: Model name.
        version: Model version.
        source: `.keras`, whole-model `.h5`, or float `.tflite`.
        calibration: Representative data set; see `liteship.convert.data`.
        evaluation: Held-out samples, or None: accuracy is then not measured.
        max_drop: Accuracy that may be lost, 0-1.
        scheme: `int8` (weights and activations) or `dynamic` (weights).
        compatible_with: `litert`, or `tflite-runtime` for what that can still run.
        preprocessing: From request to tensor.
        postprocessing: From tensor to predictions.
        output: Artifact folder; replaced only by a result that keeps the budget.
    """

    name: str
    version: str
    source: Path
    calibration: Path
    evaluation: Path | None
    max_drop: float
    scheme: str = "int8"
    compatible_with: str = "litert"
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    output: Path


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """What came of it.

    Attributes:
        manifest: The artifact's manifest.
        output: The artifact's folder.
        source_bytes: Size of the source model's file.
        float_bytes: Size of the same model as float32 `.tflite`.
        similarity: Cosine similarity of its outputs to the source's on the calibration set.
        accuracy: Held-out accuracy before and after; None if it was not measured.
    """

    manifest: Manifest
    output: Path
    source_bytes: int
    float_bytes: int
    similarity: float
    accuracy: measuring.Accuracy | None


def convert_model(request: ConversionRequest, progress: Progress) -> ConversionResult:
    """Converts a trained model to a quantized artifact and proves it.

    Args:
        request: What to convert.
        progress: Called with a stage (`child.STAGES`, then `evaluate`), steps done and steps in all.

    Raises:
        SourceModelError: The source cannot be read.
        CalibrationError: The calibration or evaluation data cannot be used.
        ConversionError: The conversion failed.
        AccuracyError: The result lost more than `max_drop`; nothing was written.
    """
    source_format = check_source(request.source)
    # What can be refused without TensorFlow is refused before it is started.
    check_reference(str(request.calibration), "calibration")
    if request.evaluation is not None:
        check_reference(str(request.evaluation), "evaluation")
    with tempfile.TemporaryDirectory(prefix="liteship-convert-") as name:
        folder = Path(name)
        _write_request(folder, request, source_format)
        run_worker(folder, progress)
        float_model = (folder / "float.tflite").read_bytes()
        model = (folder / "quantized.tflite").read_bytes()
        with np.load(folder / "source.npz") as file:
            source_outputs = {key: file[key] for key in file.files}

        interpreter = create_interpreter(float_model)
        specs = list(interpreter.inputs.values())
        calibration = load_calibration(
            str(request.calibration), specs, request.preprocessing, samples=CALIBRATION_SAMPLES
        )
        artifact, similarity = _assemble(request, model, calibration, source_outputs)
        accuracy = _measure(request, artifact, specs, source_outputs, progress)
    artifact.manifest.provenance.update(
        {
            "liteship": __version__,
            "source": {
                "format": source_format,
                "sha256": source_digest(request.source, source_format),
                "float_tflite_bytes": len(float_model),
            },
            "tools": {name: importlib.metadata.version(name) for name in _TOOLS},
            "calibration": {
                "samples": min(len(next(iter(calibration.values()))), CALIBRATION_SAMPLES),
                "sha256": hashlib.sha256(request.calibration.read_bytes()).hexdigest(),
            },
            "similarity": round(similarity, 6),
        }
    )
    if accuracy is not None:
        artifact.manifest.provenance["accuracy"] = {
            "metric": "accuracy",
            "samples": accuracy.samples,
            "source": round(accuracy.source, 6),
            "artifact": round(accuracy.artifact, 6),
            "max_drop": request.max_drop,
        }
    artifact.save(request.output)
    return ConversionResult(
        manifest=artifact.manifest,
        output=request.output,
        source_bytes=request.source.stat().st_size,
        float_bytes=len(float_model),
        similarity=similarity,
        accuracy=accuracy,
    )


def _write_request(folder: Path, request: ConversionRequest, source_format: str) -> None:
    content = {
        "source": str(request.source.resolve()),
        "format": source_format,
        "calibration": str(request.calibration.resolve()),
        "samples": CALIBRATION_SAMPLES,
        "scheme": request.scheme,
        "compatible_with": request.compatible_with,
        "evaluation": str(request.evaluation.resolve()) if request.evaluation else None,
        "preprocessing": request.preprocessing.as_dict(),
    }
    (folder / "request.json").write_text(json.dumps(content))


def _assemble(
    request: ConversionRequest, model: bytes, calibration: Arrays, source_outputs: Arrays
) -> tuple[Artifact, float]:
    """The artifact with its golden input, and its similarity to the source on the calibration set."""
    interpreter = create_interpreter(model)
    inputs, outputs = list(interpreter.inputs.values()), list(interpreter.outputs.values())
    encoded = {spec.name: _quantized(calibration[spec.name], spec) for spec in inputs}
    samples = min(len(next(iter(calibration.values()))), CALIBRATION_SAMPLES)
    requests = [
        {name: each[index].tobytes() for name, each in encoded.items()} for index in range(samples)
    ]
    answers = [interpreter.invoke(each) for each in requests]

    first = outputs[0]
    real = np.stack([_real(answer[first.name], first) for answer in answers])
    similarity = measuring.cosine_similarity(real, source_outputs[f"calibration.{first.name}"])
    measuring.require_similarity(similarity)

    # A saturated answer (one class at 1, the others at 0) is easily hit by accident: the sample with
    # the most distinct outputs makes the strictest self-test.
    golden = int(np.argmax([len(np.unique(row)) for row in real]))
    manifest = Manifest(
        name=request.name,
        version=request.version,
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        scheme=request.scheme,
        inputs=inputs,
        outputs=outputs,
        preprocessing=request.preprocessing,
        postprocessing=request.postprocessing,
        golden=Golden(GOLDEN_FILE, [answers[golden][spec.name] for spec in outputs]),
        provenance={},
    )
    contradictions = manifest.contradictions()
    if contradictions:
        raise ConversionError(
            "manifest-contradiction",
            f"function.toml does not fit the model {request.source}",
            problems=contradictions,
            hint="correct [input] and [output] in function.toml",
        )
    return Artifact(manifest, model, [requests[golden][spec.name] for spec in inputs]), similarity


def _measure(
    request: ConversionRequest,
    artifact: Artifact,
    specs: Sequence[TensorSpec],
    source_outputs: Arrays,
    progress: Progress,
) -> measuring.Accuracy | None:
    if request.evaluation is None:
        return None
    manifest = artifact.manifest
    evaluation = load_evaluation(str(request.evaluation), specs, manifest.preprocessing)
    source_scores = source_outputs[f"evaluation.{manifest.outputs[0].name}"]
    measuring.require_classes(evaluation, source_scores.shape[-1])
    predictor = Predictor(artifact)
    predictor.warm_up()
    accuracy = measuring.Accuracy(
        samples=len(evaluation.labels),
        source=float((source_scores.argmax(axis=-1) == evaluation.labels).mean()),
        artifact=measuring.measure_artifact(predictor, evaluation, progress),
    )
    measuring.require_budget(accuracy, request.max_drop)
    return accuracy


def _quantized(values: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    if not spec.is_quantized:
        return values
    least, greatest = INTEGER_RANGE[spec.dtype]
    steps = np.rint(values.astype(np.float64) / spec.scale) + spec.zero_point
    return steps.clip(least, greatest).astype(spec.dtype)


def _real(data: bytes, spec: TensorSpec) -> NDArray[np.float32]:
    values = np.frombuffer(data, spec.dtype).astype(np.float32)
    real = (values - spec.zero_point) * spec.scale if spec.is_quantized else values
    return real.reshape(spec.item_shape[1:]).astype(np.float32)
