"""Trains the classic image classifier by Adam on pictures that it draws: bright shapes on dark grounds.

Writes into `trained/`: the SavedModel, the training set for fine-tuning, and calibration and held-out
evaluation pictures as folders of PNG files, one folder a class; all as callers send them. For your own
data, see README.md.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Point = tuple[float, float]

LABELS = ("circle", "cross", "square", "star", "triangle")  # as in function.toml
TRAINING_SEEDS, HELD_OUT_SEED = (7, 8, 9), 10  # one a round: no picture is seen twice
PICTURES_A_ROUND = 1500
HELD_OUT_PICTURES = 250
CALIBRATION_PICTURES = 100
BATCH = 16
LEARNING_RATE = 1e-4
DRAWN_PIXELS = 112  # width and height; callers may send any size
MODEL_PIXELS = 224
BGR_MEAN = (103.939, 116.779, 123.68)  # "caffe" in function.toml: of ImageNet, as VGG16 was trained
OUTPUT = Path(__file__).parent / "trained"


def draw_pictures(samples: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures as callers send them: uint8 of shape (samples, 112, 112, 3), RGB 0-255; classes 0-4."""
    random = np.random.default_rng(seed)
    classes = np.arange(samples) % len(LABELS)
    return np.stack([draw_picture(LABELS[each], random) for each in classes]), classes


def draw_picture(label: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """One bright shape, turned, shifted and scaled, among lines, below noise."""
    picture = Image.new("RGB", (DRAWN_PIXELS, DRAWN_PIXELS), _color(random, 0, 110))
    canvas = ImageDraw.Draw(picture)
    _draw_lines(canvas, random, int(random.integers(2, 6)))
    radius = random.uniform(0.26, 0.4) * DRAWN_PIXELS
    center_x, center_y = (0.5 + random.uniform(-0.06, 0.06, 2)) * DRAWN_PIXELS
    turn = math.radians(random.uniform(-20, 20))
    right, down = radius * math.cos(turn), radius * math.sin(turn)
    outline = [
        (center_x + right * x - down * y, center_y + down * x + right * y)
        for x, y in unit_outline(label)
    ]
    canvas.polygon(outline, fill=_color(random, 146, 256))
    _draw_lines(canvas, random, int(random.integers(1, 3)))
    noise = random.normal(0, random.uniform(4, 20), (DRAWN_PIXELS, DRAWN_PIXELS, 3))
    return np.clip(np.rint(np.asarray(picture) + noise), 0, 255).astype(np.uint8)


def unit_outline(label: str) -> list[Point]:
    """Corners of a shape around the origin, within a distance of about 1."""
    if label == "cross":
        arm = [(1, -0.3), (1, 0.3), (0.3, 0.3)]
        quarter_turns = [(1, 0), (0, 1), (-1, 0), (0, -1)]
        return [(x * c - y * s, x * s + y * c) for c, s in quarter_turns for x, y in arm]
    corners = {"circle": 48, "square": 4, "star": 10, "triangle": 3}[label]
    inner = 0.4 if label == "star" else 1.0  # every second corner
    start = math.pi / 4 if label == "square" else -math.pi / 2
    radii = [1.0 if corner % 2 == 0 else inner for corner in range(corners)]
    angles = [start + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(math.cos(a) * r, math.sin(a) * r) for a, r in zip(angles, radii, strict=True)]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is not looked into
    """Pictures as the model takes them, a batch at a time: all at once would take 0.9 GB.

    Args:
        pictures: uint8 of shape (samples, height, width, 3), RGB.
        classes: int64 of shape (samples,).
    """

    def __init__(self, pictures: NDArray[np.uint8], classes: NDArray[np.int64]) -> None:
        super().__init__()
        self.pictures = pictures
        self.classes = classes

    def __len__(self) -> int:
        return math.ceil(len(self.classes) / BATCH)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """A batch: float32 of shape (batch, 224, 224, 3), BGR around 0, and its classes."""
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return np.stack(list(map(normalize, self.pictures[rows]))), self.classes[rows]


def normalize(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Resizes and normalises as the deployed function does; `[input]` in function.toml says how."""
    size = (MODEL_PIXELS, MODEL_PIXELS)
    resized = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)[..., ::-1] - np.array(BGR_MEAN, np.float32)


def build_model() -> keras.Model:
    """Three convolutions with pooling and two dense layers: 11,169,605 parameters, 44.7 MB in float32.

    Pixels arrive unscaled, up to 150 from 0. The first layer begins with weights small enough to bring
    them near 1: with Keras' own, Adam's first steps leave every ReLU of the dense layer at 0 for good.
    """
    layers = keras.layers
    small = keras.initializers.RandomNormal(stddev=0.004, seed=TRAINING_SEEDS[0])
    return keras.Sequential(
        [
            keras.Input((MODEL_PIXELS, MODEL_PIXELS, 3), name="image"),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer=small),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(len(LABELS), activation="softmax", name="probabilities"),
        ]
    )


def main() -> None:
    """Draws, trains, prints the held-out accuracy, writes the files."""
    keras.utils.set_random_seed(TRAINING_SEEDS[0])
    model = build_model()
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for number, seed in enumerate(TRAINING_SEEDS, 1):
        train_x, train_y = draw_pictures(PICTURES_A_ROUND, seed)
        history = model.fit(Batches(train_x, train_y), verbose=0).history
        (loss,), (accuracy,) = history["loss"], history["accuracy"]
        rounds = len(TRAINING_SEEDS)
        print(f"round {number}/{rounds} loss {loss:.4f} accuracy {accuracy:.4f}", flush=True)
    test_x, test_y = draw_pictures(HELD_OUT_PICTURES, HELD_OUT_SEED)
    _, accuracy = model.evaluate(Batches(test_x, test_y), verbose=0)
    print(f"held-out accuracy {accuracy:.4f} on {len(test_y)} pictures", flush=True)

    OUTPUT.mkdir(exist_ok=True)
    model.export(OUTPUT / "shapes", verbose=False)
    np.savez_compressed(OUTPUT / "training.npz", image=train_x, label=train_y)
    write_pictures(OUTPUT / "calibration", train_x[:CALIBRATION_PICTURES], train_y)
    write_pictures(OUTPUT / "evaluation", test_x, test_y)


def write_pictures(folder: Path, pictures: NDArray[np.uint8], classes: NDArray[np.int64]) -> None:
    """Writes PNG files into one folder a class; pictures of an earlier training go."""
    shutil.rmtree(folder, ignore_errors=True)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / LABELS[classes[index]] / f"{index:03}.png")


def _draw_lines(canvas: ImageDraw.ImageDraw, random: np.random.Generator, lines: int) -> None:
    for _ in range(lines):
        ends = [int(each) for each in random.integers(0, DRAWN_PIXELS, 4)]
        canvas.line(ends, fill=_color(random, 0, 256), width=int(random.integers(1, 3)))


def _color(random: np.random.Generator, least: int, beyond: int) -> tuple[int, int, int]:
    red, green, blue = (int(each) for each in random.integers(least, beyond, 3))
    return red, green, blue


if __name__ == "__main__":
    main()
