"""Trains a tiny digits model and writes it in every form that a conversion may meet.

Usage: python make_source.py FOLDER
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

HELD_OUT = 200


def main() -> None:
    """Writes the models, `calibration.npz` and `evaluation.npz`."""
    folder = Path(sys.argv[1])
    keras.utils.set_random_seed(1)
    digits = load_digits()
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    scaled = pictures[..., None].astype(np.float32) / 255
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="sparse_categorical_crossentropy")
    model.fit(scaled[HELD_OUT:], digits.target[HELD_OUT:], epochs=8, batch_size=32, verbose=0)

    model.save(folder / "digits.keras")
    model.save(folder / "digits.h5")
    model.save_weights(folder / "digits.weights.h5")
    float_model = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "digits.tflite").write_bytes(float_model)
    with zipfile.ZipFile(folder / "digits.keras") as whole:
        weights = whole.read("model.weights.h5")
    with zipfile.ZipFile(folder / "nonsense.keras", "w") as archive:
        archive.writestr("config.json", '{"class_name": "Nonsense", "config": {}}')
        archive.writestr("metadata.json", '{"keras_version": "3"}')
        archive.writestr("model.weights.h5", weights)

    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    joined = layers.Dense(4, activation="relu")(layers.Concatenate()([left, right]))
    pair = keras.Model([left, right], layers.Dense(3, activation="softmax")(joined))
    pair.save(folder / "pair.keras")
    converter = tf.lite.TFLiteConverter.from_keras_model(pair)
    (folder / "pair.tflite").write_bytes(converter.convert())
    rng = np.random.default_rng(1)
    tensors: dict[str, Any] = {"left": rng.normal(size=(50, 3)), "right": rng.normal(size=(50, 2))}
    tensors = {name: values.astype(np.float32) for name, values in tensors.items()}
    classes = pair.predict(tensors, verbose=0).argmax(axis=-1)
    np.savez(folder / "pair-calibration.npz", **tensors)
    np.savez(folder / "pair-evaluation.npz", **tensors, label=classes)

    np.savez(folder / "calibration.npz", image=scaled[HELD_OUT : HELD_OUT + 60])
    np.savez(folder / "evaluation.npz", image=pictures[:HELD_OUT], label=digits.target[:HELD_OUT])


if __name__ == "__main__":
    main()
