"""The source's half of a conversion: its float `.tflite`, and what the source itself answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liteship.conversion.data import load_calibration, load_evaluation, load_training
from liteship.conversion.metrics import metric_named
from liteship.conversion.reference import normalized_inputs, run_float_model
from liteship.conversion.schemes import AUTO, SCHEMES
from liteship.conversion.workers.export import FLOAT_FILE
from liteship.errors import ArtifactError, ConversionError, SourceModelError
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec
    from liteship.conversion.child import Child
    from liteship.conversion.data import Evaluation, Training
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.sources import SourceFormat

    Arrays = Mapping[str, NDArray[np.generic]]
    Outputs = Mapping[str, NDArray[np.float32]]

FLOAT_TOLERANCE = 1e-2
"""Part of the greatest output by which the float `.tflite` may differ from the source: far above what
other kernels' rounding does, far below what a wrong conversion does."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """All data of a conversion, read and checked.

    Attributes:
        calibration: What the model sees, by input name.
        evaluation: What callers send, with labels; None if accuracy is not measured.
        evaluation_inputs: The same as the source model sees it, or None.
        training: What the model sees, with labels; None without fine-tuning.
    """

    calibration: Arrays
    evaluation: Evaluation | None
    evaluation_inputs: Arrays | None
    training: Training | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source model, converted to float and run.

    Attributes:
        float_file: Its float32 `.tflite`.
        float_bytes: That file's size.
        inputs: Its input tensors.
        output_names: In the order in which predictions come first.
        samples: The data that fits it.
        calibration_outputs: What the source answers to the calibration set, by output name.
        evaluation_outputs: The same for the evaluation set, or None.
        float_difference: Greatest difference between the source's outputs and its float `.tflite`'s;
            None where that is the source.
    """

    float_file: Path
    float_bytes: int
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]
    samples: Samples
    calibration_outputs: Outputs
    evaluation_outputs: Outputs | None
    float_difference: float | None


def export_source(
    child: Child, request: ConversionRequest, source_format: SourceFormat, folder: Path
) -> Source:
    """Converts the source to float, reads the data for it, and runs it on that.

    Args:
        child: Runs `liteship.conversion.workers.export`.
        request: What to convert.
        source_format: What the source is.
        folder: For the files that go between.

    Raises:
        SourceModelError: The source cannot be read.
        CalibrationError: Data cannot be used.
        ConversionError: The conversion failed; `float-differs` if it succeeded with garbage.
    """
    is_path = source_format != "torch-factory"
    answer = child.ask(
        "export",
        source=str(Path(request.source).resolve()) if is_path else request.source,
        format=source_format,
        folder=str(folder),
        modules=str(request.folder or ""),
        signature=request.options.signature,
        input_shapes={name: list(shape) for name, shape in request.options.input_shapes.items()},
        channel_last=request.options.channel_last,
    )
    float_file = folder / FLOAT_FILE
    float_model = float_file.read_bytes()
    specs, found_outputs = _read_specs(request.source, float_model)
    samples = _read_samples(request, specs)
    output_names = tuple(answer["outputs"]) or found_outputs
    if set(output_names) != set(found_outputs):
        raise ConversionError(
            "float-conversion",
            "the converter lost the names of the model's outputs",
            expected=", ".join(output_names),
            received=", ".join(found_outputs),
            hint="export the model in another format",
        )
    sets = {"calibration": samples.calibration, "evaluation": samples.evaluation_inputs}
    outputs = {
        name: _run_source(child, folder, name, inputs)
        if answer["runs"]
        else run_float_model(float_model, inputs)
        for name, inputs in sets.items()
        if inputs is not None
    }
    return Source(
        float_file=float_file,
        float_bytes=len(float_model),
        inputs=tuple(specs),
        output_names=output_names,
        samples=samples,
        calibration_outputs=outputs["calibration"],
        evaluation_outputs=outputs.get("evaluation"),
        float_difference=_compare(float_model, samples.calibration, outputs["calibration"])
        if answer["runs"]
        else None,
    )


def fine_tune(child: Child, request: ConversionRequest, source: Source, folder: Path) -> Path:
    """Fine-tunes the source, pruned if that is asked for, and gives its float `.tflite`.

    Args:
        child: The one that exported it.
        request: What was asked for.
        source: With training data.
        folder: For the files that go between.

    Raises:
        ConfigurationError: `fine-tune-unsupported`.
    """
    training = source.samples.training
    if training is None:
        msg = "there is no training data"
        raise AssertionError(msg)
    samples, labels, tuned = (folder / name for name in ("training.npz", "labels.npy", "tuned.tflite"))
    chosen = {"epochs": request.epochs, "learning_rate": request.learning_rate}
    np.savez(samples, **training.inputs)  # type: ignore[arg-type]  # names are the arguments
    np.save(labels, training.labels)
    child.ask(
        "tune",
        samples=str(samples),
        labels=str(labels),
        output=str(tuned),
        options={
            "sparsity": request.prune,
            "quantization_aware": request.scheme == AUTO or SCHEMES[request.scheme].weights == "int8",
            "seed": request.seed,
            **{name: value for name, value in chosen.items() if value is not None},
        },
    )
    samples.unlink()
    return tuned


def _read_specs(source: str, float_model: bytes) -> tuple[list[TensorSpec], tuple[str, ...]]:
    try:
        interpreter = create_interpreter(float_model)
    except ArtifactError as error:
        raise SourceModelError(
            "source-corrupt",
            f"{source} is not a model that can be converted: {error.message}",
            expected="a whole float .tflite model",
            hint="export the model again",
        ) from error
    specs = list(interpreter.inputs.values())
    quantized = [str(spec) for spec in specs if spec.is_quantized]
    if quantized:
        raise SourceModelError(
            "source-quantized",
            f"{source} is quantized already",
            problems=quantized,
            expected="a float .tflite model",
            hint="convert the float model that it was made of",
        )
    return specs, tuple(interpreter.outputs)


def _read_samples(request: ConversionRequest, specs: Sequence[TensorSpec]) -> Samples:
    preprocessing = request.preprocessing
    labels = request.postprocessing.labels
    calibration = load_calibration(
        request.calibration,
        specs,
        preprocessing,
        samples=request.samples,
        seed=request.seed,
        folder=request.folder,
    )
    evaluation, training = None, None
    classes = metric_named(request.metric, str(request.folder or "")).classes
    if request.evaluation is not None:
        evaluation = load_evaluation(
            request.evaluation,
            specs,
            preprocessing,
            labels=labels,
            classification=classes,
            folder=request.folder,
        )
    if request.training is not None:
        training = load_training(
            request.training,
            specs,
            preprocessing,
            labels=labels,
            classification=classes,
            folder=request.folder,
        )
    return Samples(
        calibration=calibration,
        evaluation=evaluation,
        evaluation_inputs=normalized_inputs(evaluation, specs, preprocessing) if evaluation else None,
        training=training,
    )


def _run_source(child: Child, folder: Path, name: str, inputs: Arrays) -> Outputs:
    sent, received = folder / f"{name}-inputs.npz", folder / f"{name}-outputs.npz"
    np.savez(sent, **inputs)  # type: ignore[arg-type]  # names are the arguments
    child.ask("run", inputs=str(sent), outputs=str(received))
    sent.unlink()
    with np.load(received, allow_pickle=False) as file:
        return {output: file[output] for output in file.files}


def _compare(float_model: bytes, inputs: Arrays, wanted: Outputs) -> float:
    """The greatest difference of the float `.tflite`'s outputs, on a few samples, from the source's."""
    few = {name: values[:20] for name, values in inputs.items()}
    found = run_float_model(float_model, few)
    differences, scale = {}, 0.0
    for name, values in wanted.items():
        part = values[:20].astype(np.float64)
        differences[name] = float(np.abs(found[name].reshape(part.shape) - part).max())
        scale = max(scale, float(np.abs(part).max()))
    greatest = max(differences.values())
    if not greatest <= FLOAT_TOLERANCE * max(scale, 1e-6):
        raise ConversionError(
            "float-differs",
            "the float conversion does not answer what the source model does",
            problems=[
                f"output {name} differs by up to {each:.4g}" for name, each in differences.items()
            ],
            expected=f"differences of at most {FLOAT_TOLERANCE * scale:.4g}",
            received=f"{greatest:.4g}",
            hint="the converter misreads one of the model's operators: export it in another format",
        )
    return greatest
