"""Evidence about real models, as a conversion gathers it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_wine

from liteship.conversion.compression import sizes
from liteship.conversion.layers import layer_errors
from liteship.conversion.quantize import quantize, quantize_int8
from liteship.conversion.report import measures, parts, samples
from liteship.conversion.report.evidence import Evidence
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from liteship.artifact import TensorSpec

MIB = 1024 * 1024
LIMITS = (
    parts.SizeLimit(name="Lambda zip file, direct upload", limit_bytes=50 * MIB, counted="zip"),
    parts.SizeLimit(name="Lambda, unzipped with layers", limit_bytes=250 * MIB, counted="raw"),
    parts.SizeLimit(name="Lambda container image", limit_bytes=10_240 * MIB, counted="raw"),
)


def gather(folder: Path, name: str, scheme: str = "int8", *, max_drop: float = 0.01) -> Evidence:
    """Converts one of the models of `make_report_sources.py` and measures it.

    Args:
        folder: What that script filled.
        name: `digits`, `wine` or `diabetes`.
        scheme: `int8`, `dynamic`, or `float32`, which leaves the model as it is.
        max_drop: The budget.
    """
    float_model = (folder / f"{name}.tflite").read_bytes()
    with np.load(folder / f"{name}.npz") as file:
        data = {key: file[key] for key in file.files}
    (spec,) = create_interpreter(float_model).inputs.values()
    calibration = {spec.name: data["calibration"]}
    model = {
        "int8": lambda: quantize_int8(float_model, calibration, lambda _done, _of: None),
        "dynamic": lambda: quantize(float_model, "dynamic", None),
        "float32": lambda: float_model,
    }[scheme]()
    before, _ = answers(float_model, data["inputs"])
    after, times_ms = answers(model, data["inputs"])
    (output,) = before
    classifies = before[output].shape[-1] > 1
    names = {"digits": [str(digit) for digit in range(10)], "wine": ["Barolo", "Grignolino", "Barbera"]}
    common: dict[str, Any] = {
        "labels": data["label"],
        "inputs": {spec.name: data["sent"]},
        "columns": load_wine().feature_names if name == "wine" else (),
    }
    fields: dict[str, Any] = {}
    if classifies:
        guesses = [each[output].argmax(axis=-1) for each in (before, after)]
        fields["source_confusion"], fields["artifact_confusion"] = (
            measures.confusion(data["label"], each, names[name]) for each in guesses
        )
        values = [float((each == data["label"]).mean()) for each in guesses]
        fields["changed"] = samples.changed_samples(
            before[output], after[output], classes=names[name], **common
        )
    else:
        apart = [np.abs(each[output][:, 0] - data["label"]) for each in (before, after)]
        values = [float(each.mean()) for each in apart]
        fields["changed"] = samples.moved_samples(before[output], after[output], **common)
    inputs = list(create_interpreter(model).inputs.values())
    return Evidence(
        name=name,
        version="1",
        scheme=scheme,
        source_format="keras",
        source_bytes=len(float_model),
        float_sizes=sizes(float_model, zstd=False),
        artifact_sizes=sizes(model),
        limits=LIMITS,
        score=parts.Score(
            metric="accuracy" if classifies else "mae",
            higher_is_better=classifies,
            samples=len(data["label"]),
            source=values[0],
            artifact=values[1],
            max_drop=max_drop,
        ),
        outputs=(
            measures.compare_outputs(
                output, before[output], after[output], data="evaluation", classifies=classifies
            ),
        ),
        layers=tuple(layer_errors(float_model, model, calibration)),
        latency=measures.summarize_latency(times_ms, "1 thread"),
        coverage=measures.coverage(calibration, {spec.name: data["inputs"]}, inputs),
        calibration_samples=len(data["calibration"]),
        versions={"liteship": "0.1", "litert-quantizer": "0.11.0"},
        digests={"source": "5e" * 32, "artifact": "a7" * 32},
        **fields,
    )


def answers(
    model: bytes, inputs: NDArray[np.generic]
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Real outputs of shape (samples, …) by name, and the milliseconds that each sample took."""
    interpreter = create_interpreter(model)
    (spec,) = interpreter.inputs.values()
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in interpreter.outputs}
    times_ms = []
    for sample in inputs:
        body = {spec.name: _encoded(sample, spec)}
        start = time.perf_counter()
        answer = interpreter.invoke(body)
        times_ms.append((time.perf_counter() - start) * 1000)
        for name, data in answer.items():
            rows[name].append(_real(data, interpreter.outputs[name]))
    return {name: np.stack(values) for name, values in rows.items()}, times_ms


def _encoded(values: NDArray[np.generic], spec: TensorSpec) -> bytes:
    if not spec.is_quantized:
        return values.tobytes()
    steps = np.rint(values.astype(np.float64) / spec.scale) + spec.zero_point
    return steps.clip(-128, 127).astype(np.int8).tobytes()


def _real(data: bytes, spec: TensorSpec) -> NDArray[np.float32]:
    values = np.frombuffer(data, spec.dtype).astype(np.float32)
    real = (values - spec.zero_point) * spec.scale if spec.is_quantized else values
    return real.reshape(spec.item_shape[1:]).astype(np.float32)
