"""Whether every peer answers right, before anything is timed.

    python -m benchmarks.comparison.checks [NAME…]

Each wire form of each peer is asked for a tensor or a picture, and for the same mirrored, and with its
channels the other way round. The answers must be those of the model's own framework, run directly:
LiteRT's interpreter here, TensorFlow and ONNX Runtime in the peer's environment. An answer that would
also be right for the changed input fails: it shows nothing.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.comparison.models import LABELS, MODELS, ROOT, make_models
from benchmarks.comparison.peers import FUNCTIONS, PEERS, Peer, make_environment, start, stop
from benchmarks.comparison.references import expected, make_cases
from benchmarks.comparison.wire import build, read

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
                require(answer[1] == body, f"{peer.name} answers {answer[1][:80]!r}")
            else:
                answers.append(read(form, *answer))
        if answers:
            right = expected(peer.environment, model, form if form in {"JPEG", "PNG"} else "tensor")
            compare(f"{peer.name}, {model}, {form}", answers, right, LABELS[model])


def require(condition: object, message: str) -> None:
    """An assertion that `python -O` keeps.

    Raises:
        AssertionError: It does not hold.
    """
    if not condition:
        raise AssertionError(message)


def compare(
    what: str, answers: list[Any], right: list[NDArray[np.float32]], labels: tuple[str, ...]
) -> None:
    """Asserts that each answer is right for its own input, and the first one for no other.

    Raises:
        AssertionError: One does not.
    """
    for index, (answer, logits) in enumerate(zip(answers, right, strict=True)):
        apart = distance(answer, logits, labels)
        require(
            apart <= TOLERANCE, f"{what}: input {index} is answered {apart:.4f} apart: {answer[:3]}"
        )
        if index:
            blind = distance(answers[0], logits, labels)
            message = f"{what}: inputs 0 and {index} have answers {blind:.4f} apart"
            require(blind > 10 * TOLERANCE, message)


def distance(
    answer: list[float] | list[tuple[str, float]], logits: NDArray[np.float32], labels: tuple[str, ...]
) -> float:
    """How far an answer is from logits: their largest difference; of scores, that of the logarithms."""
    if isinstance(answer[0], float):
        require(len(answer) == len(logits), f"{len(answer)} numbers, not {len(logits)}")
        return float(np.abs(np.array(answer) - logits).max())
    scores = logits - logits.max()
    scores -= np.log(np.exp(scores).sum())
    best = np.sort(scores)[::-1]
    require(len(answer) >= min(len(labels), 3), f"{len(answer)} labels")
    require(len({label for label, _ in answer}) == len(answer), "a label comes twice")
    apart = [
        abs(np.log(score) - right)
        for rank, (label, score) in enumerate(answer)
        for right in (scores[labels.index(label)], best[rank])
    ]
    return float(max(apart))


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
    require(response.status == 200, f"{path}: {response.status} {answer[:500]!r}")
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
    require(answer.get("statusCode", 200) == 200, str(answer)[:500])
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
            except (
                AssertionError,
                OSError,
                LookupError,
                ValueError,
                subprocess.SubprocessError,
            ) as error:
                failed = True
                print(f"{peer.name}, {model}: {type(error).__name__}: {error}", flush=True)
            else:
                print(f"{peer.name}, {model}: right: {', '.join(peer.forms)}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
