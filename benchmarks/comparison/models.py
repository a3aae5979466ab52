"""The models that are served, made once, from a seed.

Everything serves two of them: `tiny`, 64 → 16 → 4 dense, shows what serving itself costs, `mobilenet`
is MobileNetV2 at 224 × 224. liteship alone serves `resnet`, ResNet50, which takes the same pictures and
with VNNI about as long as MobileNetV2 takes without it: there the targets' ratios were set. No weights
are downloaded: those of the large ones are random, and their normalisation layers have seen noise,
without which random weights answer the same to everything.

    python -m benchmarks.comparison.models NAME FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.artifact import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "benchmarks"
MODELS = ("tiny", "mobilenet")
HEAVY = "resnet"
SIDE = 224
LABELS = {
    "tiny": tuple("abcd"),
    **dict.fromkeys(("mobilenet", HEAVY), tuple(f"class-{index}" for index in range(1000))),
}
_PICTURES = Preprocessing("image", "RGB", "bilinear", (127.5,) * 3, (127.5,) * 3)
PREPROCESSING = {"tiny": Preprocessing("tensor"), "mobilenet": _PICTURES, HEAVY: _PICTURES}
APP = "from liteship import Function\n\nhandler = Function(__file__)\n"
FUNCTION_TOML = """name = "{name}"
version = "1"

[model]
source = "saved_model"
calibration = "calibration.npz"

[input]
kind = "{kind}"

[output]
activation = "softmax"
labels = {labels}

[runtime]
memory_mib = 512

[triggers]
http = true
"""


def function_folder(name: str) -> Path:
    """Of a model, which also holds `float32.tflite` and `saved_model/`."""
    return BUILD / "functions" / name


def make_models(names: Sequence[str] = MODELS) -> dict[str, Path]:
    """The function folder of each model; makes those that are missing."""
    folders = {name: function_folder(name) for name in names}
    if not (BUILD / "layers").exists():  # a project of its own, with the layers of this one
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / "layers").symlink_to(ROOT / "layers")
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
        architecture = keras.applications.ResNet50 if name == HEAVY else keras.applications.MobileNetV2
        network = architecture(input_tensor=picture, weights=None, classifier_activation=None)
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.5
        for _ in range(8):
            network(samples, training=True)
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    network.export(part / "saved_model", verbose=False)
    calibration = part / "calibration.npz"
    arrays: dict[str, Any] = {network.inputs[0].name: samples}
    np.savez(calibration, **arrays)
    for scheme in ("float32", "int8"):
        liteship.convert(
            network,
            part / scheme,
            calibration=calibration,
            scheme=scheme,
            preprocessing=PREPROCESSING[name],
            name=name,
            labels=LABELS[name],
            activation="softmax",
        )
    (part / "float32" / "model.tflite").rename(part / "float32.tflite")
    (part / "int8").rename(part / "model")
    (part / "app.py").write_text(APP)
    kind = PREPROCESSING[name].kind
    toml = FUNCTION_TOML.format(name=name, kind=kind, labels=json.dumps(LABELS[name]))
    (part / "function.toml").write_text(toml)
    part.rename(folder)


def random_pictures(random: Any, count: int) -> NDArray[Any]:
    """Pictures that are unlike each other: coarse noise, of shape (count, SIDE, SIDE, 3), uint8."""
    import numpy as np

    # Not up to 255: a scale of 1 / 127.5 puts every pixel between two steps, where two right ways of
    # rounding differ (docs/architecture/decisions/0014-numbers-without-python-objects.md)
    coarse = random.integers(0, 251, (count, 14, 14, 3), dtype=np.uint8)
    pictures: NDArray[Any] = coarse.repeat(SIDE // 14, axis=1).repeat(SIDE // 14, axis=2)
    return pictures


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
