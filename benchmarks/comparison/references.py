"""Inputs to ask every peer for, and what the models' frameworks answer when they are run directly."""

from __future__ import annotations

import functools
import io
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.comparison.models import ROOT, SIDE, function_folder
from benchmarks.comparison.wire import PICTURES, read_input
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DIRECTLY = {
    "tensorflow": """
import tensorflow
model = tensorflow.saved_model.load(f"{folder}/saved_model")
signature = model.signatures["serving_default"]
run = lambda tensor: signature(tensorflow.constant(tensor))
first = lambda outputs: next(iter(outputs.values())).numpy()
""",
    "onnxruntime": """
import onnxruntime
session = onnxruntime.InferenceSession(f"{folder}/int8.onnx", providers=["CPUExecutionProvider"])
run = lambda tensor: session.run(None, {session.get_inputs()[0].name: tensor})
first = lambda outputs: outputs[0]
""",
}
READ_AND_WRITE = """
import sys, numpy
folder, shape = sys.argv[1], tuple(map(int, sys.argv[2].split(",")))
{framework}
tensors = numpy.frombuffer(sys.stdin.buffer.read(), numpy.float32).reshape(-1, *shape)
for tensor in tensors:
    sys.stdout.buffer.write(first(run(tensor)).tobytes())
"""


class Case:
    """One input, in every form, and what its tensor and its picture must answer."""

    def __init__(self, model: str, tensor: NDArray[np.int8], picture: NDArray[np.uint8]) -> None:
        self.tensor = tensor.tobytes()
        self.real = {"tensor": read_input(model).real(self.tensor)}
        self.files: dict[str, bytes] = {}
        if model != "tiny":
            self.files = {form: encode(picture, *kind) for form, kind in PICTURES.items()}
            self.real |= {form: normalise(file) for form, file in self.files.items()}

    def body(self, form: str) -> bytes:
        """The picture's file that a form sends; b"" where it sends none."""
        return self.files.get(form, b"")


@functools.cache
def make_cases(model: str) -> tuple[Case, ...]:
    """An input, the same mirrored, and of pictures one with its channels the other way round."""
    random = np.random.default_rng(11)
    if model == "tiny":
        tensor = random.integers(-128, 128, 64).astype(np.int8)
        nothing = np.zeros((1, 1, 3), np.uint8)
        return Case(model, tensor, nothing), Case(model, tensor[::-1], nothing)
    y, x = np.mgrid[:SIDE, :SIDE]
    ramps = np.stack([x * 8, y * 8, (x + y) * 4], axis=-1)  # noise is much the same when it is mirrored
    picture = (ramps % 256).astype(np.uint8)
    tensor = (picture.astype(np.int16) - 128).astype(np.int8)
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda array: array,
        lambda array: array[:, ::-1],
        lambda array: array[:, :, ::-1],
    )
    return tuple(Case(model, change(tensor), change(picture)) for change in changes)


def encode(picture: NDArray[np.uint8], kind: str, size: tuple[int, int]) -> bytes:
    """A picture file of a format, a width and a height."""
    buffer = io.BytesIO()
    Image.fromarray(picture).resize(size).save(buffer, kind, quality=90)
    return buffer.getvalue()


def normalise(file: bytes) -> NDArray[np.float32]:
    """A picture file as MobileNetV2 takes it, by Pillow alone."""
    image = Image.open(io.BytesIO(file)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return ((np.asarray(image) - 127.5) / 127.5).astype(np.float32)[None]


@functools.cache
def expected(environment: str, model: str, kind: str) -> list[NDArray[np.float32]]:
    """The logits of each case, of its tensor or its picture, by the peer's framework run directly."""
    real = [case.real[kind] for case in make_cases(model)]
    if environment not in DIRECTLY:
        return run_litert(model, real)
    program = READ_AND_WRITE.replace("{framework}", DIRECTLY[environment])
    shape = ",".join(map(str, real[0].shape))
    done = subprocess.run(
        [
            ROOT / ".tools/peers" / environment / "bin/python",
            "-c",
            program,
            function_folder(model),
            shape,
        ],
        input=b"".join(tensor.tobytes() for tensor in real),
        capture_output=True,
        check=True,
    )
    return list(np.frombuffer(done.stdout, np.float32).reshape(len(real), -1))


def run_litert(model: str, real: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The outputs of the int8 model for inputs in real numbers, by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(function_folder(model) / "model" / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for tensor in real:
        (scale, zero_point), shape = source["quantization"], source["shape"]
        steps = np.rint(tensor.astype(np.float64) / scale + zero_point)
        interpreter.set_tensor(
            source["index"], np.clip(steps, -128, 127).astype(np.int8).reshape(shape)
        )
        interpreter.invoke()
        scale, zero_point = target["quantization"]
        integers = interpreter.get_tensor(target["index"])[0].astype(np.float32)
        outputs.append((integers - np.float32(zero_point)) * np.float32(scale))
    return outputs
