"""Which quantizer, and which dtype at the model's boundary: side by side on one source model.

Run after functions/digits/train.py: .venv/bin/python benchmarks/quantizers.py

For each way to int8: seconds (median of RUNS, float conversion apart), bytes, held-out accuracy of the
digits model, and microseconds from 8-bit pixels to output bytes (`normalize` and `invoke`, as the
deployed predictor does it). Then the same two quantizers on MobileNetV2 without trained weights.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from litert_quantizer import quantizer, recipe

from liteship.artifact import Preprocessing, TensorSpec
from liteship.cli.output import print_table
from liteship.conversion.quantize import quantize_int8
from liteship.runtime.codecs.image import normalize
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

TRAINED = Path(__file__).parent.parent / "functions" / "digits" / "trained"
RUNS = 3


def tensorflow_int8(model: Any, samples: Samples, boundary: Any) -> bytes:
    """TensorFlow's own full-integer conversion, from the Keras model."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = boundary
    return bytes(converter.convert())


def averaged_int8(float_model: bytes, samples: Samples) -> bytes:
    """litert-quantizer as it comes: ranges are moving averages."""
    work = quantizer.Quantizer(float_model, recipe.static_wi8_ai8())
    name = next(iter(create_interpreter(float_model).inputs))
    ranges = work.calibrate({"serving_default": [{name: sample[None]} for sample in samples]})
    return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


def true_range_int8(float_model: bytes, samples: Samples) -> bytes:
    """What `liteship convert` does: litert-quantizer with true minimum and maximum."""
    name = next(iter(create_interpreter(float_model).inputs))
    return quantize_int8(float_model, {name: samples}, lambda _done, _of: None)


def accuracy_and_latency(model: bytes) -> tuple[float, float]:
    """Held-out accuracy, and median microseconds from pixels to output bytes."""
    with np.load(TRAINED / "evaluation.npz") as file:
        pictures, labels = file["image"], file["label"]
    interpreter = create_interpreter(model)
    (spec,), (output,) = interpreter.inputs.values(), interpreter.outputs.values()
    preprocessing = Preprocessing("image", color="L", mean=(0.0,), std=(255.0,))
    right, times = 0, []
    for picture, label in zip(pictures, labels, strict=True):
        pixels = picture.tobytes()
        start = time.perf_counter()
        answer = interpreter.invoke({spec.name: normalize(pixels, spec, preprocessing)})
        times.append((time.perf_counter() - start) * 1e6)
        right += int(np.frombuffer(answer[output.name], output.dtype).argmax()) == label
    return right / len(labels), statistics.median(times)


def seconds(work: Callable[[], bytes]) -> tuple[bytes, float]:
    """What the work gives, and the median of its seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def main() -> None:
    """Prints both tables."""
    model = keras.saving.load_model(TRAINED / "digits.keras")
    with np.load(TRAINED / "calibration.npz") as file:
        samples = file["image"]
    float_model = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    ways: dict[str, Callable[[], bytes]] = {
        "TensorFlow, int8 boundary": lambda: tensorflow_int8(model, samples, tf.int8),
        "TensorFlow, uint8 boundary": lambda: tensorflow_int8(model, samples, tf.uint8),
        "TensorFlow, float32 boundary": lambda: tensorflow_int8(model, samples, tf.float32),
        "litert-quantizer, averaged ranges": lambda: averaged_int8(float_model, samples),
        "litert-quantizer, true ranges": lambda: true_range_int8(float_model, samples),
    }
    accuracy, latency_us = accuracy_and_latency(float_model)
    digit_rows = [("float32", "", f"{len(float_model):,}", f"{accuracy:.4f}", f"{latency_us:.0f}")]
    for name, work in ways.items():
        result, taken_s = seconds(work)
        accuracy, latency_us = accuracy_and_latency(result)
        digit_rows.append(
            (name, f"{taken_s:.2f}", f"{len(result):,}", f"{accuracy:.4f}", f"{latency_us:.0f}")
        )
    print_table("digits", ("way", "seconds", "bytes", "accuracy", "µs a picture"), digit_rows)

    network = keras.applications.MobileNetV2(weights=None)
    noise = np.random.default_rng(7).uniform(-1, 1, (100, 224, 224, 3)).astype(np.float32)
    start = time.perf_counter()
    float_network = bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    float_s = time.perf_counter() - start
    rows = []
    for name, work in {
        "TensorFlow": lambda: tensorflow_int8(network, noise, tf.int8),
        "float32 .tflite, then litert-quantizer": lambda: true_range_int8(float_network, noise),
    }.items():
        start = time.perf_counter()
        result = work()
        taken_s = time.perf_counter() - start + (0 if name == "TensorFlow" else float_s)
        rows.append(
            (name, f"{taken_s:.1f}", f"{len(result):,}", f"{len(result) / len(float_network):.1%}")
        )
    columns = ("way", "seconds in all", "bytes", "of float32")
    print_table("MobileNetV2, 100 samples, one run each", columns, rows)

    pixels = np.random.default_rng(7).integers(0, 256, 224 * 224 * 3, np.uint8).tobytes()
    table_rows = []
    for name, spec in {
        "int8": TensorSpec("image", "int8", (1, 224, 224, 3), 1 / 128, 0),
        "float32": TensorSpec("image", "float32", (1, 224, 224, 3)),
    }.items():
        for mean in ((127.5,) * 3, (103.939, 116.779, 123.68)):
            preprocessing = Preprocessing("image", mean=mean, std=(127.5,) * 3)
            work_us = statistics.median(_times_us(lambda: normalize(pixels, spec, preprocessing)))  # noqa: B023
            table_rows.append(
                (name, "one table" if len(set(mean)) == 1 else "a table a channel", f"{work_us:.0f}")
            )
    print_table("normalising a picture of 224 × 224 × 3", ("boundary", "tables", "µs"), table_rows)


def _times_us(work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(50):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    return times


if __name__ == "__main__":
    main()
