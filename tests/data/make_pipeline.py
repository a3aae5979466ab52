"""Makes the two artifacts in `tests/data/pipeline`: features of a digit, and a classifier of features.

    python tests/data/make_pipeline.py [FOLDER]

A network for scikit-learn's digits is cut in two, and each half converted to int8 by itself: together
they recognise digits, though what one gives and the other takes have different scales.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from liteship.artifact import Artifact, Golden, Manifest, Postprocessing, Preprocessing
from liteship.artifact.folder import GOLDEN_FILE
from liteship.runtime.interpreter import create_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SEED = 20260301
CALIBRATION = 200


def _convert(forward: Any, samples: Floats) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        module = tf.Module()
        module.forward = forward
        tf.saved_model.save(module, folder, forward.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: ([row[None]] for row in samples[:CALIBRATION])
        return bytes(converter.convert())


def _artifact(
    name: str, content: bytes, preprocessing: Preprocessing, postprocessing: Postprocessing
) -> Artifact:
    interpreter = create_interpreter(content)
    (inputs,), outputs = interpreter.inputs.values(), interpreter.outputs
    golden = np.random.default_rng(SEED).integers(-128, 128, inputs.elements).astype(np.int8).tobytes()
    answers = interpreter.invoke({inputs.name: golden})
    manifest = Manifest(
        name=name,
        version="1",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        scheme="int8",
        inputs=[inputs],
        outputs=list(outputs.values()),
        preprocessing=preprocessing,
        postprocessing=postprocessing,
        golden=Golden(GOLDEN_FILE, [answers[each] for each in outputs]),
        provenance={},
    )
    return Artifact(manifest, content, [golden])


def make_artifacts() -> Iterator[Artifact]:
    """Both halves."""
    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    network = MLPClassifier((32,), random_state=SEED, max_iter=600).fit(pixels, digits.target)
    (first, second), (shift, last) = network.coefs_, network.intercepts_
    weights = [each.astype(np.float32) for each in (first, shift, second, last)]

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, "image")])  # type: ignore[untyped-decorator]
    def features(image: Any) -> dict[str, Any]:
        flat = tf.reshape(image, [-1, 64])
        return {"features": tf.nn.relu(tf.matmul(flat, weights[0]) + weights[1])}

    @tf.function(input_signature=[tf.TensorSpec([None, 32], tf.float32, "features")])  # type: ignore[untyped-decorator]
    def classifier(features: Any) -> dict[str, Any]:
        return {"logits": tf.matmul(features, weights[2]) + weights[3]}

    images = pixels.reshape(-1, 8, 8, 1)
    between = features(images)["features"].numpy()
    picture = Preprocessing("image", color="L", mean=[0.0], std=[255.0])
    yield _artifact("features", _convert(features, images), picture, Postprocessing())
    yield _artifact(
        "classifier",
        _convert(classifier, between[CALIBRATION:]),
        Preprocessing("tensor"),
        Postprocessing("softmax", list("0123456789")),
    )


def main(folder: Path) -> None:
    """Writes both artifacts below `folder`, as `NAME/VERSION`."""
    for artifact in make_artifacts():
        manifest = artifact.manifest
        artifact.save(folder / manifest.name / manifest.version)
        sys.stdout.write(f"{len(artifact.model):7,} {manifest.name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pipeline"))
