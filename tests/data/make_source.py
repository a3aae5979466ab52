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

    write_saved_models(folder, model, pair)
    write_traps(folder)
    np.savez(folder / "calibration.npz", image=scaled[HELD_OUT : HELD_OUT + 60])
    np.savez(folder / "training.npz", image=pictures[HELD_OUT:], label=digits.target[HELD_OUT:])
    np.savez(folder / "evaluation.npz", image=pictures[:HELD_OUT], label=digits.target[:HELD_OUT])


def write_saved_models(folder: Path, model: Any, pair: Any) -> None:
    """The digits from `model.export`, and a module with two signatures from `tf.saved_model.save`."""
    model.export(folder / "digits-exported", verbose=False)

    def digits(image: Any) -> dict[str, Any]:
        return {"scores": model(image)}

    def both(left: Any, right: Any) -> dict[str, Any]:
        return {"scores": pair([left, right])}

    module = tf.Module()
    module.layers = [model, pair]  # keeps their variables
    float32 = tf.float32
    signatures = {
        "digits": tf.function(digits).get_concrete_function(
            image=tf.TensorSpec([None, 8, 8, 1], float32, name="image")
        ),
        "pair": tf.function(both).get_concrete_function(
            left=tf.TensorSpec([None, 3], float32, name="left"),
            right=tf.TensorSpec([None, 2], float32, name="right"),
        ),
    }
    tf.saved_model.save(module, str(folder / "two-signatures"), signatures=signatures)
    tf.saved_model.save(tf.Module(), str(folder / "no-signature"))


def write_traps(folder: Path) -> None:
    """Models that conversions are known to trip over, each with data."""
    layers = keras.layers
    rng = np.random.default_rng(2)
    # Columns in raw units: one int8 scale for 0-1 and 0-4,000
    spans = np.array([1, 4000, 1, 0.5, 30, 2], np.float32)
    rows = (rng.random((600, 6)) * spans).astype(np.float32)
    classes = ((rows[:, 0] + rows[:, 2] > 1).astype(int) + 2 * (rows[:, 3] > 0.25)).astype(int)
    normalization = layers.Normalization()
    normalization.adapt(rows)
    table = keras.Sequential(
        [
            keras.Input((6,), name="row"),
            normalization,
            layers.Dense(96, activation="relu"),
            layers.Dense(96, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    table.compile(keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy")
    table.fit(rows[:400], classes[:400], epochs=40, batch_size=32, verbose=0)
    table.save(folder / "table.keras")
    np.savez(folder / "table-calibration.npz", row=rows[:200])
    np.savez(folder / "table-evaluation.npz", row=rows[400:], label=classes[400:])

    sequence = rng.normal(size=(40, 6, 4)).astype(np.float32)
    np.savez(folder / "sequence.npz", sequence=sequence)
    for kind in ("LSTM", "GRU"):
        for unroll in (True, False):
            recurrent = keras.Sequential(
                [
                    keras.Input((6, 4), batch_size=1, name="sequence"),
                    getattr(layers, kind)(8, unroll=unroll),
                    layers.Dense(3, activation="softmax"),
                ]
            )
            recurrent.save(folder / f"{kind.lower()}{'-unrolled' if unroll else ''}.keras")

    given = keras.Input((4,), name="row")
    waves = keras.Model(given, layers.Dense(2)(keras.ops.sin(layers.Dense(3)(given))))
    waves.save(folder / "sine.keras")
    np.savez(folder / "four.npz", row=rng.normal(size=(20, 4)).astype(np.float32))

    anysize = keras.Sequential(
        [
            keras.Input((None, None, 3), name="image"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    anysize.save(folder / "anysize.keras")
    pictures = rng.random((20, 12, 16, 3)).astype(np.float32)
    np.savez(folder / "anysize.npz", image=pictures)

    # SiLU has a gradient of its own, which TensorFlow's converter cannot save
    smooth = layers.Dense(2)(layers.Activation("silu")(layers.Dense(8)(given)))
    keras.Model(given, smooth).save(folder / "silu.keras")

    ids = keras.Input((5,), dtype="int32", name="ids")
    words = layers.Flatten()(layers.Embedding(50, 4)(ids))
    keras.Model(ids, layers.Dense(2, activation="softmax")(words)).save(folder / "ids.keras")
    np.savez(folder / "ids.npz", ids=rng.integers(0, 50, (30, 5)).astype(np.int64))


if __name__ == "__main__":
    main()
