"""Whether every peer answers right, before anything is timed.

    python -m benchmarks.comparison.checks [NAME…]

Each wire form of each peer is asked for a tensor or a picture, and for the same mirrored, and with its
channels the other way round. The answers must be those of the model's own framework, run directly: LiteRT's
interpreter here, TensorFlow and ONNX Runtime in the peer's environment. An answer that would also be right
for the changed input fails: it shows nothing.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import io
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.comparison.models import BUILD, LABELS, MODELS, ROOT, SIDE, make_models
from benchmarks.comparison.peers import FUNCTIONS, PEERS, Peer, make_environment, start, stop
from benchmarks.comparison.wire import build, read, read_input
from liteship.deploy.local.emulator import INVOCATIONS, find_emulator, free_port
from liteship.runtime.http_event import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Ask = Callable[[str, str, dict[str, str], bytes], tuple[dict[str, str], bytes]]

PATIENCE_S = 60
PORT = 21500

TOLERANCE = 1e-4
"""Of logits, and of scores' logarithms; a step of mobilenet's output is 0.0097."""

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
        self.files = {kind: encode(picture, kind) for kind in ("JPEG", "PNG")}
        self.real = {"tensor": read_input(model).real(self.tensor)}
        if model != "tiny":
            self.real |= {kind: normalise(file) for kind, file in self.files.items()}

    def body(self, form: str) -> bytes:
        """The picture's file that a form sends; b"" where it sends none."""
        return self.files.get(form, b"")


def check(peer: Peer, model: str) -> None:
    """Asserts that every form of a peer answers what its framework does, and sees every position.

    Raises:
        AssertionError: One does not.
        OSError, subprocess.CalledProcessError: It cannot be installed, or does not answer.
    """
    make_environment(peer, model)
    with run_function(peer, model) if peer in FUNCTIONS else run_server(peer, model) as ask:
        check_answers(peer, model, ask)


def check_answers(peer: Peer, model: str, ask: Ask) -> None:
    """The same of one that runs.

    Args:
        peer: Its forms and dialect.
        model: What it serves.
        ask: Takes a method, a path, a header and a body; gives the answer's header and body.

    Raises:
        AssertionError: One does not.
    """
    cases = make_cases(model)
    for form, path in peer.forms.items():
        if form in {"JPEG", "PNG"} and model == "tiny":
            continue
        answers = []
        for case in cases:
            header, body = build(form, model, case.tensor, case.body(form), peer.dialect)
            answer = ask("POST", path, header, body)
            if peer.dialect == "echo":
                assert answer[1] == body, f"{peer.name} answers {answer[1][:80]!r}"
            else:
                answers.append(read(form, *answer))
        if answers:
            right = expected(peer.environment, model, form if form in {"JPEG", "PNG"} else "tensor")
            compare(f"{peer.name}, {model}, {form}", answers, right, LABELS[model])


def compare(
    what: str, answers: list[Any], right: list[NDArray[np.float32]], labels: tuple[str, ...]
) -> None:
    """Asserts that each answer is right for its own input, and the first one for no other.

    Raises:
        AssertionError: One does not.
    """
    for index, (answer, logits) in enumerate(zip(answers, right, strict=True)):
        apart = distance(answer, logits, labels)
        assert apart <= TOLERANCE, f"{what}: input {index} is answered {apart:.4f} apart: {answer[:3]}"
        if index:
            blind = distance(answers[0], logits, labels)
            assert blind > 10 * TOLERANCE, f"{what}: inputs 0 and {index} are answered {blind:.4f} apart"


def distance(
    answer: list[float] | list[tuple[str, float]], logits: NDArray[np.float32], labels: tuple[str, ...]
) -> float:
    """How far an answer is from logits: the largest difference, of scores the one of their logarithms."""
    if isinstance(answer[0], float):
        return float(np.abs(np.array(answer) - logits).max())
    scores = logits - logits.max()
    scores -= np.log(np.exp(scores).sum())
    best = np.sort(scores)[::-1]
    assert len(answer) >= min(len(labels), 3), f"{len(answer)} labels"
    assert len({label for label, _ in answer}) == len(answer), "a label comes twice"
    return max(
        max(abs(np.log(score) - scores[labels.index(label)]), abs(np.log(score) - best[rank]))
        for rank, (label, score) in enumerate(answer)
    )


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
    wide = np.asarray(Image.fromarray(picture).resize((640, 480)))
    tensor = (picture.astype(np.int16) - 128).astype(np.int8)
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda array: array,
        lambda array: array[:, ::-1],
        lambda array: array[:, :, ::-1],
    )
    return tuple(Case(model, change(tensor), change(wide)) for change in changes)


def encode(picture: NDArray[np.uint8], kind: str) -> bytes:
    """A picture file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind)
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
        [ROOT / ".tools/peers" / environment / "bin/python", "-c", program, BUILD / model, shape],
        input=b"".join(tensor.tobytes() for tensor in real),
        capture_output=True,
        check=True,
    )
    return list(np.frombuffer(done.stdout, np.float32).reshape(len(real), -1))


def run_litert(model: str, real: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The outputs of the int8 model for inputs in real numbers, by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(BUILD / model / "model" / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for tensor in real:
        (scale, zero_point), shape = source["quantization"], source["shape"]
        steps = np.rint(tensor.astype(np.float64) / scale + zero_point)
        interpreter.set_tensor(source["index"], np.clip(steps, -128, 127).astype(np.int8).reshape(shape))
        interpreter.invoke()
        scale, zero_point = target["quantization"]
        integers = interpreter.get_tensor(target["index"])[0].astype(np.float32)
        outputs.append((integers - np.float32(zero_point)) * np.float32(scale))
    return outputs


@contextlib.contextmanager
def run_server(peer: Peer, model: str) -> Iterator[Ask]:
    """A peer that runs, ready, and how to ask it."""
    port = PORT
    with tempfile.TemporaryFile() as log:
        process = start(peer, model, port, log)
        try:
            wait(peer, port, process, log)
            yield functools.partial(ask_http, port)
        finally:
            stop(process)


def wait(peer: Peer, port: int, process: subprocess.Popen[bytes], log: Any) -> None:
    """Until it is ready.

    Raises:
        TimeoutError: It ended, or is not ready in time; its log is in the message.
    """
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, AssertionError):
            ask_http(port, "GET" if peer.ready else "POST", peer.ready or "/", {}, b"")
            return
        time.sleep(0.1)
    log.seek(0)
    raise TimeoutError(f"{peer.name} is not ready: {log.read().decode(errors='replace')[-2000:]}")


def ask_http(
    port: int, method: str, path: str, header: dict[str, str], body: bytes
) -> tuple[dict[str, str], bytes]:
    """One request on a connection of its own.

    Raises:
        AssertionError: The answer is not 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, header)
        response = connection.getresponse()
        answer = response.read()
    assert response.status == 200, f"{path}: {response.status} {answer[:500]!r}"
    return {name.lower(): value for name, value in response.getheaders()}, answer


@contextlib.contextmanager
def run_function(peer: Peer, model: str) -> Iterator[Ask]:
    """A Lambda function under the emulator, and how to ask it."""
    subprocess.run(["make", "--silent", ".tools/sam"], check=True, cwd=ROOT, stdout=sys.stderr)
    port, runtime_port = free_port(), free_port()
    prefix = (
        str(find_emulator(ROOT)),
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{runtime_port}",
    )
    with tempfile.TemporaryFile() as log:
        process = start(peer, model, port, log, prefix)
        try:
            time.sleep(1)
            yield functools.partial(ask_function, port)
        finally:
            stop(process)


def ask_function(
    port: int, method: str, path: str, header: Mapping[str, str], body: bytes
) -> tuple[dict[str, str], bytes]:
    """One event; an echo of the event is read like an answer.

    Raises:
        AssertionError: The answer is not 200.
    """
    event = http_event(method, path, body, header["content-type"])
    url = f"http://127.0.0.1:{port}/{INVOCATIONS}"
    with urllib.request.urlopen(url, json.dumps(event).encode(), PATIENCE_S) as response:
        answer = json.load(response)
    assert answer.get("statusCode", 200) == 200, str(answer)[:500]
    content = answer["body"].encode()
    return answer["headers"], base64.b64decode(content) if answer.get("isBase64Encoded") else content


def main() -> None:
    """Checks all peers, or those named; prints one line each."""
    make_models()
    failed = False
    for peer in (*PEERS, *FUNCTIONS):
        for model in MODELS if not sys.argv[1:] or peer.environment in sys.argv[1:] else ():
            try:
                check(peer, model)
            except (AssertionError, OSError, KeyError, ValueError, subprocess.CalledProcessError) as error:
                failed = True
                print(f"{peer.name}, {model}: {type(error).__name__}: {error}", flush=True)
            else:
                print(f"{peer.name}, {model}: right: {', '.join(peer.forms)}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
