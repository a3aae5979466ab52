from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from liteship.errors import ArtifactError, ConfigurationError, NotReadyError
from liteship.runtime.interpreter import BACKENDS, create_interpreter

if TYPE_CHECKING:
    from liteship.runtime.interpreter import Interpreter

MODELS = Path(__file__).parents[2] / "data" / "models"
CONV = (MODELS / "conv-int8.tflite").read_bytes()
PAIR = (MODELS / "pair-float32.tflite").read_bytes()
INSTALLED = ["litert-c", "litert"]
"""Back ends that this environment holds; tests/integration/test_backends.py runs all three."""
RUNS = 1000


def _inputs(seed: int) -> list[bytes]:
    source = random.Random(seed)  # noqa: S311 - inputs, not secrets
    return [source.randbytes(12 * 12 * 3) for _ in range(RUNS)]


def _answer(interpreter: Interpreter, inputs: list[bytes]) -> list[bytes]:
    return [interpreter.invoke({"image": each})["scores"] for each in inputs]


def _together(barrier: Barrier, backend: str, inputs: list[bytes]) -> list[bytes]:
    interpreter = create_interpreter(CONV, backend)
    barrier.wait()
    return _answer(interpreter, inputs)


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_interpreter(CONV, "tensorrt")
    assert caught.value.reference == "backend-unknown"
    assert caught.value.received == "tensorrt"
    assert all(backend in str(caught.value.expected) for backend in BACKENDS)


def test_a_backend_that_is_not_installed_is_not_ready() -> None:
    # tflite-runtime has no wheel for this environment's NumPy: it never is in it
    with pytest.raises(NotReadyError) as caught:
        create_interpreter(CONV, "tflite-runtime")
    assert caught.value.reference == "backend-missing"
    assert "tflite_runtime" in caught.value.hint


@pytest.mark.parametrize("backend", INSTALLED)
def test_two_threads_with_an_interpreter_each_answer_as_one_does(backend: str) -> None:
    first, second = _inputs(1), _inputs(2)
    alone = create_interpreter(CONV, backend)
    expected = [_answer(alone, first), _answer(alone, second)]
    assert expected[0] != expected[1]
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(_together, barrier, backend, each) for each in (first, second)]
        assert [future.result() for future in futures] == expected


@pytest.mark.parametrize("backend", INSTALLED)
def test_an_interpreter_made_in_one_thread_answers_in_another(backend: str) -> None:
    inputs = _inputs(3)
    expected = _answer(create_interpreter(CONV, backend), inputs)
    with ThreadPoolExecutor(1) as pool:
        made_elsewhere = pool.submit(create_interpreter, CONV, backend).result()
        half = RUNS // 2
        received = _answer(made_elsewhere, inputs[:half])
        received += pool.submit(_answer, made_elsewhere, inputs[half:]).result()
    assert received == expected


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize("size_bytes", [0, 431, 433])
def test_an_input_of_another_size_is_refused(backend: str, size_bytes: int) -> None:
    interpreter = create_interpreter(CONV, backend)
    expected = interpreter.invoke({"image": bytes(432)})
    with pytest.raises(ValueError, match=f"takes 432 bytes, received {size_bytes}$"):
        interpreter.invoke({"image": bytes(size_bytes)})
    assert interpreter.invoke({"image": bytes(432)}) == expected


@pytest.mark.parametrize("backend", INSTALLED)
def test_a_missing_input_is_refused(backend: str) -> None:
    with pytest.raises(ValueError, match=r"item int32 .* received 0$"):
        create_interpreter(PAIR, backend).invoke({"image": bytes(12 * 12 * 3 * 4)})


@pytest.mark.parametrize("backend", INSTALLED)
def test_tensors_are_found_by_name_whatever_their_order(backend: str) -> None:
    interpreter = create_interpreter(PAIR, backend)
    assert {str(spec) for spec in interpreter.inputs.values()} == {
        "image float32 [1×12×12×3]",
        "item int32 [1×1]",
    }
    assert {str(spec) for spec in interpreter.outputs.values()} == {
        "zeta float32 [1×4]",
        "best int64 [1]",
        "alpha float32 [1×8]",
    }
    answer = interpreter.invoke({"item": bytes(4), "image": bytes(12 * 12 * 3 * 4)})
    assert {name: len(data) for name, data in answer.items()} == {
        "zeta": 16,
        "best": 8,
        "alpha": 32,
    }


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"\0",
        b"TFL3",
        b"not a model",
        bytes(4096),
        b"<html>" * 99,
        CONV[:4],
        CONV[: len(CONV) // 2],
        CONV[:-1],
    ],
    ids=["empty", "byte", "identifier", "text", "zeros", "html", "4-bytes", "half", "all-but-one"],
)
def test_a_damaged_model_is_refused(backend: str, model: bytes) -> None:
    with pytest.raises(ArtifactError) as caught:
        create_interpreter(model, backend)
    assert caught.value.reference == "model-refused"
    assert caught.value.hint
