"""Trains the digits model by stochastic gradient descent on scikit-learn's 1,797 bundled images.

Writes into `trained/`: the Keras model, the calibration set (float32, as the model sees it), the
training and the held-out evaluation set (uint8, as callers send it) and a few held-out pictures. For
your own data, replace `load_images` and the labels in `function.toml`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums vary with the number of threads

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 7
EPOCHS = 25
BATCH = 32
OUTPUT = Path(__file__).parent / "trained"


def load_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures as callers send them: uint8 of shape (1797, 8, 8), values 0-255; labels 0-9."""
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target


def build_model() -> keras.Model:
    """Two convolutions and two dense layers: 167,562 parameters."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(144, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


def main() -> None:
    """Trains, prints the held-out accuracy, writes the files."""
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, labels = load_images()
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=SEED
    )
    scaled = train_x[..., None].astype(np.float32) / 255  # "unit" in function.toml
    model = build_model()
    steps = EPOCHS * -(-len(scaled) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(0.03, decay_steps=steps)
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
    model.fit(scaled, train_y, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[report])
    _, accuracy = model.evaluate(test_x[..., None].astype(np.float32) / 255, test_y, verbose=0)
    print(f"held-out accuracy {accuracy:.4f} on {len(test_y)} images", flush=True)

    OUTPUT.mkdir(exist_ok=True)
    model.save(OUTPUT / "digits.keras")
    np.savez(OUTPUT / "calibration.npz", image=scaled[:200])
    np.savez(OUTPUT / "training.npz", image=train_x, label=train_y)
    np.savez(OUTPUT / "evaluation.npz", image=test_x, label=test_y)
    samples = OUTPUT / "samples"
    samples.mkdir(exist_ok=True)
    for digit in range(10):
        held_out = test_x[test_y == digit][0]
        Image.fromarray(held_out).save(samples / f"{digit}.png")


if __name__ == "__main__":
    main()
