from __future__ import annotations

import sys
from array import array
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from liteship.artifact import TensorSpec
from liteship.quantization import quantize
from liteship.runtime.backends.flatbuffer import damage
from liteship.runtime.codecs import quantizer
from liteship.runtime.codecs.quantizer import quantize_floats
from liteship.runtime.codecs.quantizer_model import quantizer_model
from liteship.runtime.interpreter import create_interpreter

ELEMENTS = 4096


def numbers_for(scale: float, seed: int) -> array[float]:
    """Ties, whole steps, numbers between them, and the greatest and least there are."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-300, 300, ELEMENTS).astype(float)
    steps[::2] += 0.5
    steps[::5] += rng.normal(0, 0.3, len(steps[::5]))
    numbers = (steps * scale).astype(np.float32)
    numbers[:6] = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38])
    return array("f", numbers.tobytes())


def is_litert(spec: TensorSpec) -> bool:
    """Whether LiteRT quantizes, and not Python."""
    kind = spec.elements, spec.dtype, spec.scale, spec.zero_point
    return quantizer._interpreters(*kind) is not None


@pytest.fixture(autouse=True)
def new_interpreters() -> None:
    quantizer._interpreters.cache_clear()
    import liteship.runtime.backends.litert_c  # noqa: F401  # as a process that serves a model


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_litert_quantizes_as_python_does(dtype: str) -> None:
    rng = np.random.default_rng(5)
    scales = [0.007843137718737125, 1 / 255, *(10 ** rng.uniform(-6, 3, 12)).tolist()]
    for seed, scale in enumerate(array("f", scales)):
        zero_point = int(rng.integers(0, 128))
        spec = TensorSpec("x", dtype, [-1, ELEMENTS], scale, zero_point)
        numbers = numbers_for(scale, seed)
        assert is_litert(spec)
        assert quantize_floats(numbers, spec) == quantize(numbers, dtype, scale, zero_point).tobytes()


def test_several_items_and_threads_share_what_is_idle() -> None:
    spec = TensorSpec("x", "int8", [-1, 1024], 0.5, 3)
    batches = [numbers_for(0.5, seed) for seed in range(8)]
    expected = [quantize(each, "int8", 0.5, 3).tobytes() for each in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: quantize_floats(each, spec), batches * 20)) == expected * 20
    assert 1 <= len(quantizer._interpreters(1024, "int8", 0.5, 3) or ()) <= 4


@pytest.mark.parametrize(
    ("dtype", "elements"), [("int16", ELEMENTS), ("int8", 100)], ids=["another rounding", "few"]
)
def test_the_rest_is_pythons(dtype: str, elements: int) -> None:
    spec = TensorSpec("x", dtype, [-1, elements], 0.5, 0)
    numbers = numbers_for(0.5, 1)[: elements * 3]
    assert quantize_floats(numbers, spec) == quantize(numbers, dtype, 0.5, 0).tobytes()
    assert not quantizer._interpreters.cache_info().currsize


def test_another_back_end_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TensorSpec("x", "int8", [-1, ELEMENTS], 0.25, -4)
    numbers = numbers_for(0.25, 2)
    litert = quantize_floats(numbers, spec)
    quantizer._interpreters.cache_clear()
    monkeypatch.delitem(sys.modules, "liteship.runtime.backends.litert_c")
    assert quantize_floats(numbers, spec) == litert
    assert not is_litert(spec)
    quantizer._interpreters.cache_clear()


def test_the_model_is_whole_and_small() -> None:
    for elements in (256, 150_528):
        for scale in (1e-6, 0.5, 1e6):
            model = quantizer_model(elements, "uint8", scale, 128)
            assert damage(model) is None
            assert len(model) < 500
            interpreter = create_interpreter(model)
            assert str(interpreter.inputs["real"]) == f"real float32 [{elements}]"
            assert interpreter.outputs["quantized"] == TensorSpec(
                "quantized", "uint8", [elements], float(np.float32(scale)), 128
            )
