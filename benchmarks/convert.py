"""Seconds and memory of a conversion to int8, beside TensorFlow's own full-integer converter.

Run: .venv/bin/python -m benchmarks.convert [MODEL …]

Each model is saved once without trained weights; then both ways convert that file in processes of their
own, in turn, RUNS times. Seconds are medians. Memory is the greatest sum of the proportional set sizes
of a way's processes at one moment (https://docs.kernel.org/filesystems/proc.html). Both calibrate with
the same samples. liteship's way includes everything that `liteship convert` does: running the source,
comparing the outputs and the layers, the report.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.comparison.process import family

RUNS = 3
SAMPLES = 100
MODELS = ("MobileNetV2", "EfficientNetB0", "ResNet50", "dense-100M")
WAYS = ("liteship", "tensorflow")


def main() -> None:
    """Prints the table."""
    from liteship.cli.output import print_table

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in sys.argv[1:] or MODELS:
            source = folder / f"{model}.keras"
            _step("save", model, source)
            measured: dict[str, list[tuple[float, int]]] = {way: [] for way in WAYS}
            for _ in range(RUNS):
                for way in WAYS:
                    measured[way].append(_measure([way, model, str(source)]))
            seconds = {way: statistics.median(each[0] for each in measured[way]) for way in WAYS}
            for way in WAYS:
                size = (folder / f"{model}.{way}").stat().st_size
                rows.append(
                    (
                        model,
                        way,
                        f"{seconds[way]:.1f}",
                        f"{seconds[way] / seconds['tensorflow']:.2f}",
                        f"{max(each[1] for each in measured[way]):,}",
                        f"{size:,}",
                    )
                )
            source.unlink()
    columns = ("model", "way", "seconds", "of TensorFlow's", "peak MiB", "bytes")
    print_table(f"to int8 with {SAMPLES} samples, {RUNS} runs in turn", columns, rows)


def _measure(step: list[str]) -> tuple[float, int]:
    start = time.perf_counter()
    peak_mib = _step(*step)
    return time.perf_counter() - start, peak_mib


def _step(*arguments: object) -> int:
    """Runs one step in a process of its own; gives its peak memory in MiB."""
    command = [sys.executable, "-m", "benchmarks.convert", "--step", *map(str, arguments)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    peaks = [0]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        watching = threading.Thread(target=_watch, args=(process, peaks))
        watching.start()
        errors = process.stderr.read() if process.stderr else ""
        process.wait()
        watching.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return peaks[0]


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        peaks[0] = max(peaks[0], sum(map(_pss_kib, family(process.pid))) // 1024)
        time.sleep(0.1)


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _save(model: str, source: Path) -> None:
    import keras

    keras.utils.set_random_seed(7)
    if model == "dense-100M":
        layers = [keras.layers.Dense(5_000, activation="relu") for _ in range(4)]
        made = keras.Sequential([keras.Input((5_000,)), *layers, keras.layers.Dense(10)])
    else:
        made = getattr(keras.applications, model)(weights=None)
    made.save(source)


def _samples(shape: tuple[int, ...], model: str) -> object:
    import numpy as np

    greatest = 255 if model == "EfficientNetB0" else 1  # it normalises inside
    return np.random.default_rng(7).uniform(0, greatest, (SAMPLES, *shape)).astype(np.float32)


def _liteship(model: str, source: Path) -> None:
    import numpy as np

    from liteship.artifact import Postprocessing, Preprocessing
    from liteship.conversion.pipeline import convert_model
    from liteship.conversion.request import ConversionRequest

    shape = (5_000,) if model == "dense-100M" else (224, 224, 3)
    calibration = source.with_suffix(".npz")
    if not calibration.exists():
        name = {"dense-100M": "input_layer"}.get(model, "input_layer")
        np.savez(calibration, **{name: _samples(shape, model)})  # type: ignore[arg-type]
    request = ConversionRequest(
        name=model.lower(),
        version="1",
        source=str(source),
        calibration=str(calibration),
        evaluation=None,
        max_drop=0,
        preprocessing=Preprocessing("tensor"),
        postprocessing=Postprocessing(),
        output=source.with_name(f"{model}-artifact"),
    )
    result = convert_model(request, lambda *_: None)
    (result.output / "model.tflite").replace(source.with_name(f"{model}.liteship"))


def _tensorflow(model: str, source: Path) -> None:
    import keras
    import tensorflow as tf

    made = keras.saving.load_model(source, compile=False)
    samples = _samples(made.inputs[0].shape[1:], model)
    converter = tf.lite.TFLiteConverter.from_keras_model(made)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)  # type: ignore[attr-defined]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    source.with_name(f"{model}.tensorflow").write_bytes(converter.convert())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        _, _, step, name, path = sys.argv
        {"save": _save, "liteship": _liteship, "tensorflow": _tensorflow}[step](name, Path(path))
    else:
        main()
