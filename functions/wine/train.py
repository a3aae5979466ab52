"""Trains the wine model by stochastic gradient descent on scikit-learn's 178 bundled analyses.

Writes into `trained/`: the Keras model, the calibration set and the held-out evaluation set, both
float32 as callers send them, and one held-out request as JSON. The normalisation is the model's first
layer, with mean and variance of the training part: callers send raw measurements. For your own data,
replace `load_measurements` and the labels in `function.toml`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums vary with the number of threads

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 7
# These three by cross-validation within the training part; the held-out wines had no say
EPOCHS = 40
BATCH = 8
LEARNING_RATE = 0.03
OUTPUT = Path(__file__).parent / "trained"


def load_measurements() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Analyses as callers send them: float32 of shape (178, 13), each column in its unit; classes 0-2.

    The columns: https://scikit-learn.org/stable/datasets/toy_dataset.html#wine-recognition-dataset.
    """
    wine = load_wine()
    return wine.data.astype(np.float32), wine.target


def build_model(normalization: keras.layers.Normalization) -> keras.Model:
    """Normalisation and three dense layers: 2,179 trained parameters."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((13,), name="measurements"),
            normalization,
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(48, activation="relu"),
            layers.Dense(3, activation="softmax", name="probabilities"),
        ]
    )


def main() -> None:
    """Trains, prints the held-out accuracy, writes the files."""
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    measurements, cultivars = load_measurements()
    train_x, test_x, train_y, test_y = train_test_split(
        measurements, cultivars, test_size=0.3, stratify=cultivars, random_state=SEED
    )
    normalization = keras.layers.Normalization()
    normalization.adapt(train_x)
    model = build_model(normalization)
    steps = EPOCHS * -(-len(train_x) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, decay_steps=steps)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(
            f"epoch {epoch + 1}/{EPOCHS} loss {logs['loss']:.4f} accuracy {logs['accuracy']:.4f}",
            flush=True,
        )
    )
    model.fit(train_x, train_y, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[report])
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    print(f"held-out accuracy {accuracy:.4f} on {len(test_y)} wines", flush=True)

    OUTPUT.mkdir(exist_ok=True)
    model.save(OUTPUT / "wine.keras")
    np.savez(OUTPUT / "calibration.npz", measurements=train_x)
    np.savez(OUTPUT / "evaluation.npz", measurements=test_x, label=test_y)
    request = {"inputs": {"measurements": test_x[0].astype(float).round(2).tolist()}}
    (OUTPUT / "request.json").write_text(json.dumps(request) + "\n")


if __name__ == "__main__":
    main()
