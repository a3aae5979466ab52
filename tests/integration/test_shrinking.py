"""Pruning and quantization-aware fine-tuning of real Keras models, down to what LiteRT answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.model_selection import train_test_split

from liteship.artifact import Preprocessing
from liteship.conversion.quantize import quantize_int8
from liteship.conversion.shrinking import MagnitudePruning, ShrinkOptions
from liteship.conversion.shrinking.clustering import cluster_int8
from liteship.conversion.shrinking.fine_tune import shrink_keras
from liteship.conversion.shrinking.keras_layers import kernels
from liteship.conversion.shrinking.schedule import pruned_count
from liteship.conversion.shrinking.tflite_pruning import prune_float_tflite
from liteship.errors import CalibrationError, ConversionError, SourceModelError
from liteship.runtime.codecs.image import normalize
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pictures = NDArray[np.uint8]
    Labels = NDArray[np.int64]

# The calibrator keeps every tensor on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")

ROOT = Path(__file__).parents[2]
layers = keras.layers


def nothing(_stage: str, _done: int, _of: int) -> None:
    """Nobody watches."""


def scaled(pictures: Pictures) -> NDArray[np.float32]:
    return np.divide(pictures[..., None], 255, dtype=np.float32)


def zeros(variable: Any) -> int:
    return int((variable.numpy() == 0).sum())


@pytest.fixture(scope="module")
def split(digit_images: tuple[Pictures, Labels]) -> Any:
    """Training and held-out pictures and labels, divided as functions/digits/train.py does."""
    images, labels = digit_images
    return train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=7)


def to_int8(model: Any, samples: NDArray[np.float32]) -> bytes:
    float_model = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return quantize_int8(float_model, {"image": samples[:200]}, lambda _done, _of: None)


def accuracy(model: bytes, pictures: Pictures, labels: Labels) -> float:
    """Through the deployed codec and interpreter."""
    interpreter = create_interpreter(model)
    (spec,), (output,) = interpreter.inputs.values(), interpreter.outputs.values()
    preprocessing = Preprocessing("image", "L", mean=[0.0], std=[255.0])
    right = 0
    for picture, label in zip(pictures, labels, strict=True):
        answer = interpreter.invoke({spec.name: normalize(picture.tobytes(), spec, preprocessing)})
        right += int(np.frombuffer(answer[output.name], output.dtype).argmax()) == label
    return right / len(labels)


# The callback


def small_model() -> Any:
    """A first layer too small to be pruned, a depthwise convolution, and two kernels that go."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(16, 3, padding="same", name="small"),
            layers.BatchNormalization(name="normal"),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(64, 3, name="separable"),
            layers.Flatten(),
            layers.Dense(32, activation="relu", name="dense"),
            layers.Dense(10, activation="softmax", name="answer"),
        ]
    )


class Watching(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Zeros of each kernel after each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[list[int]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.counts.append([zeros(each.variable) for each in kernels(self.model)])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.Adam(1e-3),
    ],
    ids=["sgd", "adam"],
)
def test_pruned_weights_are_zero_after_every_batch(optimizer: Any, compiled: bool, split: Any) -> None:
    model = small_model()
    model.compile(optimizer(), loss="sparse_categorical_crossentropy", jit_compile=compiled)
    train_x, _, train_y, _ = split
    watching = Watching()
    pruning = MagnitudePruning(sparsity=0.7)
    model.fit(
        scaled(train_x), train_y, epochs=2, batch_size=64, verbose=0, callbacks=[pruning, watching]
    )

    found = kernels(model)
    prunable = {id(each.variable) for each in found if each.prunable}
    assert prunable == {
        id(model.get_layer("separable").pointwise_kernel),
        id(model.get_layer("dense").kernel),
    }
    assert len(found) == 6
    for each, counts in zip(found, zip(*watching.counts, strict=True), strict=True):
        size = int(np.prod(each.variable.shape))
        if each.prunable:
            assert zeros(each.variable) == pruned_count(size, 0.7)
            assert list(counts) == sorted(counts)
            assert counts[0] < counts[-1] == pruned_count(size, 0.7)
        else:
            assert zeros(each.variable) == 0
    assert zeros(model.get_layer("normal").gamma) == 0


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras says so of every such set
def test_an_unknown_number_of_batches_is_pruned_epoch_by_epoch(split: Any) -> None:
    model = small_model()
    model.compile("adam", loss="sparse_categorical_crossentropy")
    train_x, _, train_y, _ = split
    images = scaled(train_x)

    def batches() -> Any:
        for start in range(0, 256, 64):
            yield images[start : start + 64], train_y[start : start + 64]

    data = tf.data.Dataset.from_generator(
        batches,
        output_signature=(tf.TensorSpec((None, 8, 8, 1)), tf.TensorSpec((None,), tf.int64)),
    )
    model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[MagnitudePruning(sparsity=0.6)])
    kernel = model.get_layer("dense").kernel
    assert zeros(kernel) == pruned_count(int(np.prod(kernel.shape)), 0.6)


def test_training_that_stops_early_is_pruned_all_the_same(split: Any) -> None:
    model = small_model()
    model.compile("adam", loss="sparse_categorical_crossentropy")
    train_x, _, train_y, _ = split
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=100, restore_best_weights=True)
    pruning = MagnitudePruning(sparsity=0.9)
    for _ in range(2):  # the same callback can be used again
        history = model.fit(
            scaled(train_x), train_y, epochs=50, verbose=0, callbacks=[stopping, pruning]
        )
        assert len(history.history["loss"]) < 5
        kernel = model.get_layer("dense").kernel
        assert zeros(kernel) == pruned_count(int(np.prod(kernel.shape)), 0.9)


def test_a_model_with_nothing_to_prune_is_refused_before_it_trains() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.compile("sgd", loss="mse")
    before = model.get_weights()
    with pytest.raises(SourceModelError) as raised:
        model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0, callbacks=[MagnitudePruning(0.5)])
    assert raised.value.reference == "nothing-to-prune"
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_weights_that_are_no_numbers_are_told(split: Any) -> None:
    model = small_model()
    model.compile(keras.optimizers.SGD(1e30), loss="sparse_categorical_crossentropy")
    train_x, _, train_y, _ = split
    with pytest.raises(ConversionError) as raised:
        model.fit(scaled(train_x), train_y, verbose=0, callbacks=[MagnitudePruning(0.5)])
    assert raised.value.reference == "pruning-incomplete"
    assert len(raised.value.problems) == 2


# Fine-tuning


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """functions/digits/train.py's model."""
    folder = tmp_path_factory.mktemp("digits")
    shutil.copy(ROOT / "functions" / "digits" / "train.py", folder)
    subprocess.run([sys.executable, str(folder / "train.py")], check=True, capture_output=True)
    return folder / "trained" / "digits.keras"


@pytest.mark.parametrize(("sparsity", "share"), [(0.9, 20), (0.95, 30)])
def test_the_digits_model_ships_in_a_fraction_of_its_size_and_is_as_good(
    sparsity: float, share: int, trained: Path, split: Any
) -> None:
    train_x, test_x, train_y, test_y = split
    model = keras.saving.load_model(trained, compile=False)
    before = model.get_weights()
    float_model = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    told: list[tuple[str, int, int]] = []
    shrunk = shrink_keras(
        model,
        {"image": scaled(train_x)},
        train_y,
        ShrinkOptions(sparsity=sparsity),
        lambda *now: told.append(now),
    )
    shipped = cluster_int8(to_int8(shrunk, scaled(train_x)), 16)

    assert len(zlib.compress(shipped, 9)) <= len(float_model) / share
    scores = model.predict(scaled(test_x), verbose=0)
    source = float((scores.argmax(axis=-1) == test_y).mean())
    assert source > 0.98
    assert accuracy(shipped, test_x, test_y) >= source - 0.005

    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)
    steps = 20 * (len(train_x) // 32)
    assert told == [("fine-tune", done, steps) for done in range(1, steps + 1)]


def test_the_same_arguments_give_the_same_weights_and_another_seed_others(split: Any) -> None:
    train_x, _, train_y, _ = split
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )

    def weights(seed: int) -> bytes:
        options = ShrinkOptions(sparsity=0.5, quantization_aware=True, epochs=1, seed=seed)
        shrunk = shrink_keras(model, {"image": scaled(train_x)}, train_y, options, nothing)
        return b"".join(each.tobytes() for each in shrunk.get_weights())

    first = weights(0)
    assert weights(0) == first
    assert weights(1) != first


def test_floats_of_several_inputs_are_fitted() -> None:
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    left, right = keras.Input((30,), name="left"), keras.Input((10,), name="right")
    inner = keras.Sequential([keras.Input((40,)), layers.Dense(64, activation="relu")], name="inner")
    joined = layers.Concatenate()([left, right])
    model = keras.Model([left, right], layers.Dense(1, name="sum")(inner(joined)))
    inputs: dict[str, Any] = {
        "right": rng.normal(size=(300, 10)).astype(np.float32),  # in any order
        "left": rng.normal(size=(300, 30)).astype(np.float32),
    }
    labels = inputs["left"].sum(axis=1) - inputs["right"].sum(axis=1)
    options = ShrinkOptions(sparsity=0.5, quantization_aware=True, epochs=30)
    shrunk = shrink_keras(model, inputs, labels, options, nothing)
    errors = shrunk.predict(inputs, verbose=0)[:, 0] - labels
    assert float((errors**2).mean()) < 0.2 * float((labels**2).mean())
    (kernel,) = (each.variable for each in kernels(shrunk) if each.prunable)
    assert kernel is shrunk.get_layer("inner").layers[0].kernel
    assert zeros(kernel) == 40 * 64 // 2


def test_two_classes_of_one_output_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(300, 20)).astype(np.float32)
    labels = (values.sum(axis=1) > 0).astype(np.int64)
    for activation in ("sigmoid", None):
        keras.utils.set_random_seed(6)
        model = keras.Sequential([keras.Input((20,)), layers.Dense(1, activation=activation)])
        options = ShrinkOptions(quantization_aware=True, epochs=10, learning_rate=0.05)
        shrunk = shrink_keras(model, {"whatever": values}, labels, options, nothing)
        scores = shrunk.predict(values, verbose=0)[:, 0]
        assert ((scores > (0.5 if activation else 0)) == labels).mean() > 0.95


def test_data_that_does_not_fit_is_refused_before_training() -> None:
    model = keras.Sequential([keras.Input((20,), name="x"), layers.Dense(3)])
    with pytest.raises(CalibrationError) as raised:
        shrink_keras(model, {"x": np.ones((4, 19))}, np.full(4, 3), ShrinkOptions(), nothing)
    assert raised.value.problems == (
        "label: expected classes 0 to 2, received 3 to 3",
        "x: expected shape (samples, 20), received (4, 19)",
    )


def test_a_model_of_a_class_of_its_own_and_a_frozen_one_are_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]  # Keras has no types
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    own = Own()
    own(np.ones((1, 3)))
    frozen = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    frozen.trainable = False
    for model, reference in ((own, "source-not-copied"), (frozen, "nothing-to-train")):
        with pytest.raises(SourceModelError) as raised:
            shrink_keras(model, {"x": np.ones((4, 3))}, np.zeros(4, int), ShrinkOptions(), nothing)
        assert raised.value.reference == reference


def test_a_loss_that_is_no_number_is_told() -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), layers.Dense(1), layers.Dense(1)])
    options = ShrinkOptions(learning_rate=1e30, epochs=3)
    with pytest.raises(ConversionError) as raised:
        shrink_keras(model, {"x": np.ones((64, 2), np.float32)}, np.ones(64), options, nothing)
    assert raised.value.reference == "fine-tune-diverged"


# Quantization-aware training as a repair


@pytest.fixture(scope="module")
def ill_scaled(split: Any) -> Any:
    """A depthwise network whose channels differ in range by up to a factor of 1,000, and its accuracy.

    It computes what it computed before: a batch normalisation multiplies each channel, and the next
    layer divides it again. Networks come out of training like this, if less so (Nagel et al. 2019,
    https://arxiv.org/abs/1906.04721); one int8 scale for all channels then erases the small ones.
    """
    train_x, _, train_y, _ = split
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(24, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            layers.BatchNormalization(name="ill"),
            layers.ReLU(),
            layers.Conv2D(32, 1, use_bias=False, name="after"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    model.fit(scaled(train_x), train_y, epochs=15, batch_size=32, verbose=0)
    factors = (10 ** np.random.default_rng(0).uniform(-1.5, 1.5, 24)).astype(np.float32)
    ill, after = model.get_layer("ill"), model.get_layer("after")
    ill.gamma.assign(ill.gamma * factors)
    ill.beta.assign(ill.beta * factors)
    after.kernel.assign(after.kernel / factors[:, None])
    return model


def test_quantization_aware_fine_tuning_repairs_what_int8_broke(ill_scaled: Any, split: Any) -> None:
    train_x, test_x, train_y, test_y = split
    samples = scaled(train_x)
    scores = ill_scaled.predict(scaled(test_x), verbose=0)
    source = float((scores.argmax(axis=-1) == test_y).mean())
    assert source > 0.95
    assert accuracy(to_int8(ill_scaled, samples), test_x, test_y) < source - 0.2

    def tuned(quantization_aware: bool) -> float:
        options = ShrinkOptions(quantization_aware=quantization_aware)
        shrunk = shrink_keras(ill_scaled, {"image": samples}, train_y, options, nothing)
        return accuracy(to_int8(shrunk, samples), test_x, test_y)

    assert tuned(quantization_aware=False) < source - 0.2  # it is not just more training
    assert tuned(quantization_aware=True) >= source - 0.01


# Without training


def test_a_float_tflite_is_pruned_in_one_shot(trained: Path, split: Any) -> None:
    train_x, test_x, _, test_y = split
    model = keras.saving.load_model(trained, compile=False)
    float_model = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    pruned = prune_float_tflite(float_model, 0.6)
    assert len(pruned) == len(float_model)
    int8 = quantize_int8(pruned, {"image": scaled(train_x)[:200]}, lambda _done, _of: None)
    assert accuracy(int8, test_x, test_y) > 0.98
    assert len(zlib.compress(int8, 9)) < 0.2 * len(float_model)
