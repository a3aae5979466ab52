"""The three back ends on one corpus: byte-identical, or a line here that says what differs.

`tests/data/make_models.py` makes the corpus. LiteRT's two ways in must agree to the byte; what
`tflite-runtime` 2.14 does with each model stands in TFLITE_RUNTIME. 20 inputs show few of its
differences, and the greatest grows with their number: the bounds come from 12,000 inputs a model, on
x86-64 with AVX-512 VNNI, and leave room. More than 20 can be asked for:

    LITESHIP_CONFORMANCE_RUNS=3000 pytest tests/integration/test_backends.py
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from liteship.quantization import ITEM_BYTES, TYPECODES
from liteship.runtime.interpreter import BACKENDS, create_interpreter

if TYPE_CHECKING:
    from liteship.artifact.tensors import TensorSpec

    Answers = dict[str, Any]

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "data" / "models"
DRIVER = Path(__file__).with_name("backend_driver.py")
SEED = 20260102
RUNS = int(os.environ.get("LITESHIP_CONFORMANCE_RUNS", "20"))

TRAPS = ("trap-depthwise-one-scale", "trap-depthwise-scale-repeated")
"""Models with tests of their own: a runtime's answer to the first is not even repeatable."""


class Within(NamedTuple):
    """Greatest difference of an output: in steps if its dtype is an integer one, else real."""

    difference: float


class Refused(NamedTuple):
    """Part of the message."""

    message: str


class Wrong(NamedTuple):
    """No error, and an answer that differs by at least this much: never use it."""

    difference: float


SAME = Within(0)
LAST_BITS = Within(1e-5)  # float kernels that add in another order; no output here is above 20
# One layer rounds an element the other way, in 0.4 to 32 % of the runs. A step of the logits (at
# most 0.06) moves a probability p by up to 0.06 p (1 - p), 4 of its 256 steps; two of them, 8
STEPS = Within(8)
# An activation that is quantized at run time falls to the other side of a step
ACTIVATION = Within(0.001)
NEW_OPERATOR = Refused("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'")

TFLITE_RUNTIME: dict[str, Within | Refused | Wrong] = {
    "conv-dynamic": NEW_OPERATOR,  # dense weights quantized per channel
    "conv-dynamic-per-tensor": ACTIVATION,
    "conv-float16": LAST_BITS,
    "conv-float32": LAST_BITS,
    "conv-int16x8": STEPS,
    "conv-int8": STEPS,
    "conv-int8-float-io": Within(8 / 256),
    "conv-int8-per-tensor": STEPS,
    "conv-int8-uint8-io": STEPS,
    "dense-dynamic": NEW_OPERATOR,
    "dense-dynamic-per-tensor": ACTIVATION,
    "dense-float16": LAST_BITS,
    "dense-float32": LAST_BITS,
    "dense-int16x8": STEPS,
    "dense-int8": STEPS,
    "dense-int8-float-io": Within(8 / 256),
    "dense-int8-per-tensor": STEPS,
    "dense-int8-uint8-io": STEPS,
    "depthwise-float32": LAST_BITS,
    "depthwise-int8": STEPS,
    "dtypes": SAME,
    "no-signature-float32": LAST_BITS,
    "no-signature-int8": STEPS,
    "pair-float32": LAST_BITS,
    "pair-int8": STEPS,
    # litert-quantizer leaves the operator's version at 1: the runtime takes the first channel's
    # scale for all of them
    "quantizer-dense-dynamic": Wrong(0.1),
    "quantizer-depthwise-dynamic": Wrong(5),
    # it quantizes activations otherwise than LiteRT does
    "quantizer-dense-dynamic-per-tensor": Within(0.01),
    "quantizer-depthwise-dynamic-per-tensor": Within(0.6),
    "quantizer-dense-int8": STEPS,
    "quantizer-dense-int8-per-tensor": STEPS,
    "quantizer-depthwise-int8": STEPS,
    "quantizer-depthwise-int8-per-tensor": STEPS,
    "scalar-float32": LAST_BITS,
    "unserved-float16-input": Refused("tensor half has dtype float16"),
    "unserved-output-size": Refused("output where int64"),
}

UNSERVED = {
    "unserved-float16-input": {
        "litert-c": "tensor half has LiteRT element type 10",
        "litert": "tensor half has dtype float16",
    },
    # the number of rows depends on the input's values: only a run can tell
    "unserved-output-size": {
        "litert-c": "LiteRtRunCompiledModel: runtime failure",
        "litert": "output where int64 [?×2] has",
    },
}
SERVED = sorted(set(TFLITE_RUNTIME) - set(UNSERVED))


def _draw(spec: TensorSpec, source: random.Random) -> bytes:
    """Random elements over the whole range of the dtype; reals of -1 to 1."""
    if spec.dtype == "float32":
        return array("f", [source.uniform(-1, 1) for _ in range(spec.elements)]).tobytes()
    if spec.dtype == "bool":
        return bytes(source.randrange(2) for _ in range(spec.elements))
    return source.randbytes(spec.size_bytes)


def _request(names: list[str]) -> dict[str, list[dict[str, str]]]:
    request = {}
    for name in names:
        path = MODELS / f"{name}.tflite"
        source = random.Random(SEED)  # noqa: S311 - inputs, not secrets
        if name == "unserved-float16-input":
            request[str(path)] = [{"half": bytes(8).hex()}]
            continue
        inputs = create_interpreter(path.read_bytes()).inputs
        request[str(path)] = [
            {each: _draw(inputs[each], source).hex() for each in sorted(inputs)} for _ in range(RUNS)
        ]
    return request


def _drive(python: Path | str, backend: str, names: list[str]) -> Answers:
    return _ask(python, backend, _request(names))


def _ask(python: Path | str, backend: str, request: dict[str, list[dict[str, str]]]) -> Answers:
    finished = subprocess.run(
        [python, DRIVER, backend],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert finished.returncode == 0, finished.stderr
    return {Path(path).stem: answer for path, answer in json.loads(finished.stdout).items()}


def _greatest_difference(first: Answers, second: Answers) -> float:
    greatest = 0.0
    for one, other in zip(first["runs"], second["runs"], strict=True):
        assert one.keys() == other.keys()
        for name, spec in first["outputs"].items():
            ours, theirs = (
                array(TYPECODES[spec["dtype"]], bytes.fromhex(run[name])) for run in (one, other)
            )
            assert len(ours) == len(theirs)
            differences = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
            greatest = max(greatest, *differences)
    return greatest


@pytest.fixture(scope="session")
def litert_c() -> Answers:
    return _drive(sys.executable, "litert-c", sorted(TFLITE_RUNTIME))


@pytest.fixture(scope="session")
def litert() -> Answers:
    return _drive(sys.executable, "litert", sorted(TFLITE_RUNTIME))


@pytest.fixture(scope="session")
def tflite_runtime(tflite_runtime_python: Path) -> Answers:
    return _drive(tflite_runtime_python, "tflite-runtime", sorted(TFLITE_RUNTIME))


def test_every_model_of_the_corpus_has_its_line() -> None:
    assert sorted(path.stem for path in MODELS.glob("*.tflite")) == sorted([*TFLITE_RUNTIME, *TRAPS])


@pytest.mark.parametrize("name", SERVED)
def test_litert_answers_the_same_bytes_through_c_and_through_python(
    name: str, litert_c: Answers, litert: Answers
) -> None:
    assert len(litert_c[name]["runs"]) == RUNS
    assert litert_c[name] == litert[name]


@pytest.mark.parametrize("name", SERVED)
def test_a_model_answers_different_inputs_differently(name: str, litert_c: Answers) -> None:
    # else identical bytes would prove nothing
    assert len({json.dumps(run) for run in litert_c[name]["runs"]}) > 5


@pytest.mark.parametrize("name", SERVED)
def test_an_output_has_the_size_its_spec_says(name: str, litert_c: Answers) -> None:
    for output, spec in litert_c[name]["outputs"].items():
        elements = 1
        for size in spec["shape"]:
            elements *= max(size, 1)
        for run in litert_c[name]["runs"]:
            assert len(run[output]) == 2 * elements * ITEM_BYTES[spec["dtype"]]


@pytest.mark.parametrize("backend", ["litert-c", "litert"])
@pytest.mark.parametrize("name", sorted(UNSERVED))
def test_litert_refuses(name: str, backend: str, litert_c: Answers, litert: Answers) -> None:
    family, reference, message = (litert_c if backend == "litert-c" else litert)[name]["error"]
    assert (family, reference) == ("ArtifactError", "model-refused")
    assert UNSERVED[name][backend] in message


@pytest.mark.parametrize("name", sorted(TFLITE_RUNTIME))
def test_tflite_runtime_does_what_the_table_says(
    name: str, litert_c: Answers, tflite_runtime: Answers
) -> None:
    expected, received = TFLITE_RUNTIME[name], tflite_runtime[name]
    if isinstance(expected, Refused):
        family, reference, message = received["error"]
        assert (family, reference) == ("ArtifactError", "model-refused")
        assert expected.message in message
        return
    for direction in ("inputs", "outputs"):
        assert received[direction] == litert_c[name][direction]
    difference = _greatest_difference(litert_c[name], received)
    if isinstance(expected, Wrong):
        assert difference >= expected.difference
    else:
        assert difference <= expected.difference


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_damaged_model_is_refused_and_kills_nothing(
    backend: str, tflite_runtime_python: Path, tmp_path: Path
) -> None:
    model = (MODELS / "conv-int8.tflite").read_bytes()
    damaged = {f"cut-{part}": model[: len(model) * part // 40] for part in range(40)}
    damaged |= {"all-but-one": model[:-1], "zeros": bytes(4096), "text": b"not a model"}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    python = tflite_runtime_python if backend == "tflite-runtime" else sys.executable
    answers = _ask(python, backend, {str(tmp_path / name): [] for name in damaged})
    assert answers.keys() == damaged.keys()
    for answer in answers.values():
        assert answer["error"][:2] == ["ArtifactError", "model-refused"]


def test_one_scale_for_a_depthwise_convolution_is_not_answered_reliably(
    tflite_runtime_python: Path,
) -> None:
    """The hybrid kernel reads a scale a channel and so beyond the only one, whatever lies there.

    https://github.com/google-ai-edge/LiteRT/blob/main/tflite/kernels/depthwise_conv.cc: Prepare
    compares the number of scales with dimension 0 of the weights, which is always 1. Written once a
    channel, the very same scale is answered alike by both of LiteRT's back ends.
    """
    one_scale, repeated = TRAPS
    reference = _drive(sys.executable, "litert-c", [repeated])[repeated]
    assert _drive(sys.executable, "litert", [repeated])[repeated] == reference
    for backend, python in (
        ("litert-c", sys.executable),
        ("litert", sys.executable),
        ("tflite-runtime", tflite_runtime_python),
    ):
        right = _drive(python, backend, [repeated])[repeated]
        wrong = _drive(python, backend, [one_scale])[one_scale]
        assert _greatest_difference(reference, right) < 0.6
        assert _greatest_difference(right, wrong) > 0.1
