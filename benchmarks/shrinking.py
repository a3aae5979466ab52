"""What pruning, fine-tuning and clustering leave of the digits model: bytes as shipped, and accuracy.

.venv/bin/python benchmarks/shrinking.py [SPLITS]

For each of SPLITS (5) divisions into training and held-out pictures, functions/digits/train.py's model
is trained, fine-tuned on the same training pictures to each sparsity, converted to int8, clustered.
Printed are medians over the splits: bytes raw, deflated as in the zip package and the image's layers,
and by zstd -19; float32's bytes over the deflated ones; held-out accuracy minus the float model's,
through the deployed codec and interpreter, with the worst of the splits beside it; seconds of one
fine-tuning. Sparsity `one shot` is without.
"""

from __future__ import annotations

import os
import runpy
import statistics
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums vary with the number of threads

import keras
import numpy as np
import tensorflow as tf
import zstandard
from sklearn.model_selection import train_test_split

from liteship.artifact import Preprocessing
from liteship.cli.output import print_table
from liteship.conversion.quantize import quantize_int8
from liteship.conversion.shrinking import ShrinkOptions
from liteship.conversion.shrinking.clustering import cluster_int8
from liteship.conversion.shrinking.fine_tune import shrink_keras
from liteship.conversion.shrinking.tflite_pruning import prune_float_tflite
from liteship.runtime.codecs.image import normalize
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Row = tuple[str, str, list[float]]

TRAIN = runpy.run_path(str(Path(__file__).parent.parent / "functions" / "digits" / "train.py"))
SPARSITIES = (0.8, 0.9, 0.95, 0.97)
CLUSTERS = (None, 64, 32, 16, 8)


def measure_split(seed: int) -> Iterator[Row]:
    """Sparsity, clusters; raw, zip, zstd and float32's bytes, accuracy change, seconds."""
    images, labels = TRAIN["load_images"]()
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    scaled = np.divide(train_x[..., None], 255, dtype=np.float32)
    model = train(scaled, train_y, seed)
    float_model = to_float(model)
    source = accuracy(float_model, test_x, test_y)

    def row(sparsity: str, model: bytes, clusters: int | None, seconds: float) -> Row:
        shipped = model if clusters is None else cluster_int8(model, clusters)
        zstd = zstandard.ZstdCompressor(level=19).compress(shipped)
        return (
            sparsity,
            str(clusters or "none"),
            [
                len(shipped),
                len(zlib.compress(shipped, 9)),
                len(zstd),
                len(float_model),
                accuracy(shipped, test_x, test_y) - source,
                seconds,
            ],
        )

    quantized = to_int8(float_model, scaled)
    yield from (row("0", quantized, clusters, 0) for clusters in (None, 16))
    for sparsity in (0.6, 0.8):
        one_shot = to_int8(prune_float_tflite(float_model, sparsity), scaled)
        yield from (row(f"{sparsity} one shot", one_shot, clusters, 0) for clusters in (None, 16))
    for sparsity in SPARSITIES:
        start = time.perf_counter()
        options = ShrinkOptions(sparsity=sparsity, seed=seed)
        shrunk = shrink_keras(model, {"image": scaled}, train_y, options, lambda *_: None)
        seconds = time.perf_counter() - start
        quantized = to_int8(to_float(shrunk), scaled)
        yield from (row(f"{sparsity}", quantized, clusters, seconds) for clusters in CLUSTERS)


def train(scaled: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> Any:
    """The model of functions/digits/train.py, trained in the same way on another split."""
    keras.utils.set_random_seed(seed)
    model = TRAIN["build_model"]()
    steps = TRAIN["EPOCHS"] * -(-len(scaled) // TRAIN["BATCH"])
    schedule = keras.optimizers.schedules.CosineDecay(0.03, decay_steps=steps)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), loss="sparse_categorical_crossentropy")
    model.fit(scaled, labels, epochs=TRAIN["EPOCHS"], batch_size=TRAIN["BATCH"], verbose=0)
    return model


def to_float(model: Any) -> bytes:
    """The model as float32 `.tflite`."""
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def to_int8(float_model: bytes, samples: NDArray[np.float32]) -> bytes:
    """As `liteship convert` does it, calibrated on 200 training pictures."""
    return quantize_int8(float_model, {"image": samples[:200]}, lambda _done, _of: None)


def accuracy(model: bytes, pictures: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of the pictures that the deployed codec and interpreter answer with their class."""
    interpreter = create_interpreter(model)
    (spec,), (output,) = interpreter.inputs.values(), interpreter.outputs.values()
    preprocessing = Preprocessing("image", color="L", mean=(0.0,), std=(255.0,))
    right = 0
    for picture, label in zip(pictures, labels, strict=True):
        answer = interpreter.invoke({spec.name: normalize(picture.tobytes(), spec, preprocessing)})
        right += int(np.frombuffer(answer[output.name], output.dtype).argmax()) == label
    return right / len(labels)


def main() -> None:
    """Prints the table."""
    splits = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(splits):
        for sparsity, clusters, values in measure_split(seed):
            found.setdefault((sparsity, clusters), []).append(values)
    rows = []
    for (sparsity, clusters), several in found.items():
        raw, zipped, zstd, float_bytes, change, seconds = map(
            statistics.median, zip(*several, strict=True)
        )
        worst = min(values[4] for values in several)
        rows.append(
            (
                sparsity,
                clusters,
                f"{raw:,.0f}",
                f"{zipped:,.0f}",
                f"{zstd:,.0f}",
                f"1/{float_bytes / zipped:.1f}",
                f"{change:+.4f}",
                f"{worst:+.4f}",
                f"{seconds:.0f}" if seconds else "",
            )
        )
    columns = ("sparsity", "clusters", "raw", "zip", "zstd", "of float32", "accuracy", "worst", "s")
    print_table(f"digits, medians of {splits} splits", columns, rows)


if __name__ == "__main__":
    main()
