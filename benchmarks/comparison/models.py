"""The two models that everything serves, made once, from a seed.

`tiny` is 64 → 16 → 4 dense: it shows what serving itself costs. `mobilenet` is MobileNetV2 at 224 × 224.
Nobody's weights can be downloaded here, so MobileNetV2's are random; its normalisation layers have seen
noise, without which random weights answer the same to everything.

    python -m benchmarks.comparison.models NAME FOLDER
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.artifact import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "benchmarks"
MODELS = ("tiny", "mobilenet")
SIDE = 224
LABELS = {"tiny": tuple("abcd"), "mobilenet": tuple(f"class-{index}" for index in range(1000))}
PREPROCESSING = {
    "tiny": Preprocessing("tensor"),
    "mobilenet": Preprocessing("image", "RGB", "bilinear", (127.5,) * 3, (127.5,) * 3),
}
APP = "from liteship import Function\n\nhandler = Function(__file__)\n"


def make_models() -> dict[str, Path]:
    """A function folder of each model: `app.py`, `model/`, `float32.tflite` and `saved_model/`."""
    folders = {name: BUILD / name for name in MODELS}
    for name, folder in folders.items():
        if not folder.exists():
            print(f"making {name}", file=sys.stderr)
            command = (sys.executable, "-m", "benchmarks.comparison.models", name, str(folder))
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return folders


def make(name: str, folder: Path) -> None:
    """Makes one of them; needs TensorFlow."""
    import keras
    import numpy as np

    import liteship

    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    samples: NDArray[Any]
    if name == "tiny":
        samples = random.uniform(0, 1, (200, 64)).astype("float32")
        dense = [keras.layers.Dense(16, "relu"), keras.layers.Dense(4)]
        network = keras.Sequential([keras.Input((64,), name="features"), *dense])
    else:
        samples = random_pictures(random, 64).astype("float32") / 127.5 - 1
        picture = keras.Input((SIDE, SIDE, 3), name="image")
        network = keras.applications.MobileNetV2(
            input_tensor=picture, weights=None, classifier_activation=None
        )
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.5
        for _ in range(8):
            network(samples, training=True)
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    network.export(part / "saved_model", verbose=False)
    calibration = {network.inputs[0].name: samples}
    options = {"name": name, "labels": LABELS[name], "activation": "softmax"}
    for scheme in ("float32", "int8"):
        liteship.convert(
            network,
            part / scheme,
            calibration=calibration,
            scheme=scheme,
            preprocessing=PREPROCESSING[name],
            **options,
        )
    (part / "float32" / "model.tflite").rename(part / "float32.tflite")
    (part / "int8").rename(part / "model")
    (part / "app.py").write_text(APP)
    part.rename(folder)


def random_pictures(random: Any, count: int) -> NDArray[Any]:
    """Pictures that are unlike each other: coarse noise, of shape (count, SIDE, SIDE, 3), uint8."""
    import numpy as np

    coarse = random.integers(0, 256, (count, 14, 14, 3), dtype=np.uint8)
    pictures: NDArray[Any] = coarse.repeat(SIDE // 14, axis=1).repeat(SIDE // 14, axis=2)
    return pictures


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
