"""Makes the corpus of small models in `tests/data/models`: every scheme, shape and dtype we serve.

    python tests/data/make_models.py [FOLDER]

Weights and calibration data come from fixed seeds, so that the same versions of TensorFlow and
litert-quantizer write the same bytes again. `test_backends.py` says what each model is there for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from litert_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from litert_quantizer.utils import qsv_utils

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Samples = list[dict[str, Any]]

SEED = 20260101
SAMPLES = 32

VECTOR = tf.TensorSpec([None, 32], tf.float32, "features")
IMAGE = tf.TensorSpec([1, 12, 12, 3], tf.float32, "image")
IMAGES = tf.TensorSpec([None, 12, 12, 3], tf.float32, "image")
ITEM = tf.TensorSpec([1, 1], tf.int32, "item")

INT8 = {"ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], "calibrated": True}
SCHEMES: dict[str, dict[str, Any]] = {
    "float32": {"optimize": False},
    "float16": {"types": [tf.float16]},
    "dynamic": {},
    # What `liteship convert --compatible-with tflite-runtime` sets
    "dynamic-per-tensor": {"per_tensor_dense": True},
    "int8": {**INT8, "io": tf.int8},
    "int8-per-tensor": {**INT8, "io": tf.int8, "per_tensor_dense": True},
    "int8-uint8-io": {**INT8, "io": tf.uint8},
    "int8-float-io": {**INT8, "io": tf.float32},
    "int16x8": {
        "ops": [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8],
        "calibrated": True,
        "io": tf.int16,
    },
}


class _Network(tf.Module):  # type: ignore[misc]
    """Layers with weights from a seed of their own, so that no network depends on another."""

    def __init__(self, forward: Callable[[_Network, Any], dict[str, Any]], *inputs: Any) -> None:
        super().__init__()
        self._random = np.random.default_rng(SEED)
        self._weights: list[Any] = []
        self._position = 0
        self.inputs = inputs

        def run(*tensors: Any) -> dict[str, Any]:
            self._position = 0
            return forward(self, *tensors)

        self.forward = tf.function(run, input_signature=inputs, autograph=False)

    def weight(self, *shape: int) -> Any:
        """A weight tensor with deviation 1/√fan-in; its channels differ in size, as trained ones do."""
        if self._position == len(self._weights):
            sizes = self._random.uniform(0.3, 2.0, shape[-1])
            values = self._random.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape) * sizes
            with tf.init_scope():
                self._weights.append(tf.Variable(values.astype("float32")))
        self._position += 1
        return self._weights[self._position - 1]

    def dense(self, tensor: Any, units: int) -> Any:
        product = tf.matmul(tensor, self.weight(int(tensor.shape[-1]), units))
        return tf.nn.bias_add(product, self.weight(units))

    def conv(self, tensor: Any, channels: int, size: int = 3) -> Any:
        kernel = self.weight(size, size, int(tensor.shape[-1]), channels)
        product = tf.nn.conv2d(tensor, kernel, strides=1, padding="SAME")
        return tf.nn.relu(tf.nn.bias_add(product, self.weight(channels)))

    def depthwise(self, tensor: Any) -> Any:
        kernel = self.weight(3, 3, int(tensor.shape[-1]), 1)
        product = tf.nn.depthwise_conv2d(tensor, kernel, [1, 2, 2, 1], "SAME")
        return tf.nn.relu6(tf.nn.bias_add(product, self.weight(int(tensor.shape[-1]))))


def _dense(net: _Network, features: Any) -> dict[str, Any]:
    # 48 units: the converter leaves weights of fewer than 1,024 elements in float
    return {"scores": tf.nn.softmax(net.dense(tf.nn.relu(net.dense(features, 48)), 5))}


def _conv(net: _Network, image: Any) -> dict[str, Any]:
    hidden = tf.nn.max_pool2d(net.conv(image, 8), 2, 2, "VALID")
    hidden = tf.nn.max_pool2d(net.conv(hidden, 16), 2, 2, "VALID")
    flat = tf.reshape(hidden, [-1, int(np.prod(hidden.shape[1:]))])
    return {"scores": tf.nn.softmax(net.dense(flat, 10))}


def _depthwise(net: _Network, image: Any) -> dict[str, Any]:
    first = net.conv(image, 8)
    hidden = net.conv(net.depthwise(first), 16, size=1)
    hidden = hidden + net.conv(hidden, 16, size=1)
    return {"logits": net.dense(tf.reduce_mean(hidden, [1, 2]), 6)}


def _pair(net: _Network, image: Any, item: Any) -> dict[str, Any]:
    # Names whose alphabetical order is not the order of the graph
    row = tf.gather(net.weight(7, 8), tf.math.floormod(item[:, 0], 7))
    pixels = tf.reduce_mean(net.conv(image, 8), [1, 2])
    scores = net.dense(tf.concat([pixels, row], 1), 4)
    return {"zeta": tf.nn.sigmoid(scores), "best": tf.argmax(scores, 1), "alpha": pixels}


def _scalar(net: _Network, features: Any) -> dict[str, Any]:
    hidden = net.dense(features, 8)
    return {"total": tf.reduce_sum(tf.tanh(hidden)), "each": tf.reduce_max(hidden, 1)}


def _dtypes(_net: _Network, wide: Any, narrow: Any, flag: Any, byte: Any) -> dict[str, Any]:
    chosen = tf.where(flag, narrow, narrow * 2)
    return {
        "wide": wide + tf.cast(chosen, tf.int64),
        "narrow": chosen,
        "flag": tf.logical_not(flag),
        "byte": tf.cast(byte, tf.float32) / 2,
    }


def _half(_net: _Network, half: Any) -> dict[str, Any]:
    return {"single": tf.cast(half, tf.float32) * 2}


def _nonzero(_net: _Network, features: Any) -> dict[str, Any]:
    return {"where": tf.where(features > 0)}


def _samples(inputs: tuple[Any, ...]) -> Samples:
    random = np.random.default_rng(SEED + 1)

    def draw(spec: Any) -> Any:
        shape = [size or 1 for size in spec.shape]
        if spec.dtype == tf.int32:
            return random.integers(0, 7, shape, dtype="int32")
        return random.uniform(-1, 1, shape).astype("float32")

    return [{spec.name: draw(spec) for spec in inputs} for _ in range(SAMPLES)]


def _convert(network: _Network, scheme: dict[str, Any]) -> bytes:
    """TensorFlow's converter, by way of a SavedModel: that is what keeps the signature."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, network.forward.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        return _run(converter, network, scheme)


def _convert_without_signature(network: _Network, scheme: dict[str, Any]) -> bytes:
    function = network.forward.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    return _run(converter, network, scheme, by_name=False)


def _run(converter: Any, network: _Network, scheme: dict[str, Any], *, by_name: bool = True) -> bytes:
    if scheme.get("optimize", True):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = scheme.get("types", [])
    if scheme.get("calibrated"):
        converter.target_spec.supported_ops = scheme["ops"]
        converter.inference_input_type = converter.inference_output_type = scheme["io"]

        def representative() -> Iterator[Any]:
            for sample in _samples(network.inputs):
                yield sample if by_name else list(sample.values())

        converter.representative_dataset = representative
    converter._experimental_disable_per_channel_quantization_for_dense_layers = scheme.get(
        "per_tensor_dense", False
    )
    return bytes(converter.convert())


def _quantize(network: _Network, rules: list[dict[str, Any]]) -> bytes:
    """litert-quantizer, calibrated by true minimum and maximum."""
    content = _convert(network, SCHEMES["float32"])
    worker = quantizer.Quantizer(bytearray(content), rules)
    if not worker.need_calibration:
        return bytes(worker.quantize(enable_progress_report=False).quantized_model)
    statistics = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    statistics.calibrate({"serving_default": _samples(network.inputs)}, manager)
    result = worker.quantize(statistics.get_model_qsvs(), enable_progress_report=False)
    return bytes(result.quantized_model)


def _per_tensor_dense(rules: list[dict[str, Any]], *, static: bool) -> Any:
    """A recipe changed to one scale a dense weight tensor: what tflite-runtime understands."""
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    dense, granularity = qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.QuantGranularity.TENSORWISE
    if static:
        manager.add_static_config(".*", dense, 8, 8, granularity)
    else:
        manager.add_dynamic_config(".*", dense, 8, granularity)
    return manager.get_quantization_recipe()


def _one_scale(network: _Network) -> bytes:
    """Every weight tensor with one scale, those of depthwise convolutions too."""
    manager = recipe_manager.RecipeManager()
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    manager.add_dynamic_config(".*", every, 8, qtyping.QuantGranularity.TENSORWISE)
    return _quantize(network, manager.get_quantization_recipe())


def _repeat_scale(content: bytes) -> bytes:
    """The same model, with the one scale of a depthwise convolution written once a channel."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.DEPTHWISE_CONV_2D:
            weights = graph.tensors[operator.inputs[1]]
            channels = int(weights.shape[3])
            weights.quantization.scale = np.repeat(weights.quantization.scale, channels)
            weights.quantization.zeroPoint = np.repeat(weights.quantization.zeroPoint, channels)
            weights.quantization.quantizedDimension = 3
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def make_models() -> Iterator[tuple[str, bytes]]:
    """Name and content of every model of the corpus."""

    def network(forward: Callable[..., dict[str, Any]], *inputs: Any) -> _Network:
        return _Network(forward, *inputs)

    for name, scheme in SCHEMES.items():
        yield f"dense-{name}", _convert(network(_dense, VECTOR), scheme)
        yield f"conv-{name}", _convert(network(_conv, IMAGE), scheme)
    for name in ("float32", "int8"):
        yield f"depthwise-{name}", _convert(network(_depthwise, IMAGES), SCHEMES[name])
        yield f"pair-{name}", _convert(network(_pair, IMAGE, ITEM), SCHEMES[name])
    yield "scalar-float32", _convert(network(_scalar, VECTOR), SCHEMES["float32"])
    for name in ("float32", "int8"):
        bare = _convert_without_signature(network(_dense, VECTOR), SCHEMES[name])
        yield f"no-signature-{name}", bare
    recipes = {
        "dynamic": recipe.dynamic_wi8_afp32(),
        "dynamic-per-tensor": _per_tensor_dense(recipe.dynamic_wi8_afp32(), static=False),
        "int8": recipe.static_wi8_ai8(),
        "int8-per-tensor": _per_tensor_dense(recipe.static_wi8_ai8(), static=True),
    }
    for name, rules in recipes.items():
        yield f"quantizer-dense-{name}", _quantize(network(_dense, VECTOR), rules)
        yield f"quantizer-depthwise-{name}", _quantize(network(_depthwise, IMAGES), rules)
    trap = _one_scale(network(_depthwise, IMAGES))
    yield "trap-depthwise-one-scale", trap
    yield "trap-depthwise-scale-repeated", _repeat_scale(trap)
    dtypes = [
        tf.TensorSpec([1, 3], dtype, name)
        for name, dtype in zip(
            ("wide", "narrow", "flag", "byte"), (tf.int64, tf.int32, tf.bool, tf.uint8), strict=True
        )
    ]
    plain = SCHEMES["float32"]
    yield "dtypes", _convert(network(_dtypes, *dtypes), plain)
    half = tf.TensorSpec([1, 4], tf.float16, "half")
    yield "unserved-float16-input", _convert(network(_half, half), plain)
    yield "unserved-output-size", _convert(network(_nonzero, VECTOR), plain)


def main(folder: Path) -> None:
    """Writes every model to `folder`, and removes those that the corpus no longer has."""
    for old in folder.glob("*.tflite"):
        old.unlink()
    for name, content in make_models():
        (folder / f"{name}.tflite").write_bytes(content)
        sys.stdout.write(f"{len(content):7,} {name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("models"))
