"""Trains one model a kind of report: pictures, a table with classes, and a table with a number.

Usage: python make_report_sources.py FOLDER

Each becomes NAME.tflite (float32) and NAME.npz with `calibration` and `inputs` as the model takes them,
`sent` as callers send them, and `label`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_diabetes, load_digits, load_wine

layers = keras.layers


def _normalized(tensor: Any) -> Any:
    return layers.BatchNormalization(momentum=0.9)(tensor)  # a short training's averages, too


def digits() -> tuple[Any, dict[str, Any]]:
    """A small MobileNet on 8×8 pictures: batch normalisation, depthwise convolutions, a residual."""
    data = load_digits()
    sent = np.rint(data.images * (255 / 16)).astype(np.uint8)
    scaled = sent[..., None].astype(np.float32) / 255
    image = keras.Input((8, 8, 1), name="image")
    hidden = layers.Conv2D(16, 3, padding="same", use_bias=False)(image)
    hidden = layers.ReLU(6.0)(_normalized(hidden))
    for _ in range(2):
        branch = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(hidden)
        branch = layers.ReLU(6.0)(_normalized(branch))
        branch = _normalized(layers.Conv2D(16, 1, use_bias=False)(branch))
        hidden = layers.Add()([hidden, branch])
    pooled = layers.Flatten()(layers.MaxPooling2D()(hidden))
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="scores")(pooled))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss="sparse_categorical_crossentropy")
    model.fit(scaled[600:], data.target[600:], epochs=8, batch_size=32, verbose=0)
    inputs = scaled[:600]
    arrays = {"calibration": scaled[600:700], "inputs": inputs, "sent": sent[:600]}
    return model, arrays | {"label": data.target[:600]}


def wine() -> tuple[Any, dict[str, Any]]:
    """Raw measurements from 0.13 to 1,680 that the model's first layer normalises."""
    data = load_wine()
    order = np.random.default_rng(1).permutation(len(data.target))
    raw, label = data.data.astype(np.float32)[order], data.target[order]
    normalization = layers.Normalization()
    normalization.adapt(raw[60:])
    model = keras.Sequential(
        [
            keras.Input((13,), name="measurements"),
            normalization,
            layers.Dense(16, activation="relu"),
            layers.Dense(3, activation="softmax", name="probabilities"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy")
    model.fit(raw[60:], label[60:], epochs=40, batch_size=8, verbose=0)
    return model, {"calibration": raw[60:], "inputs": raw[:60], "sent": raw[:60], "label": label[:60]}


def diabetes() -> tuple[Any, dict[str, Any]]:
    """Ten normalised columns, one number out."""
    data = load_diabetes()
    columns, label = (data.data * 20).astype(np.float32), data.target / 100
    model = keras.Sequential(
        [
            keras.Input((10,), name="columns"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, name="progression"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    model.fit(columns[100:], label[100:], epochs=30, batch_size=16, verbose=0)
    inputs = columns[:100]
    arrays = {"calibration": columns[100:], "inputs": inputs, "sent": inputs}
    return model, arrays | {"label": label[:100]}


def main() -> None:
    """Writes all of them."""
    folder = Path(sys.argv[1])
    for name, make in {"digits": digits, "wine": wine, "diabetes": diabetes}.items():
        keras.utils.set_random_seed(1)
        model, arrays = make()
        converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        (folder / f"{name}.tflite").write_bytes(converted)
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main()
