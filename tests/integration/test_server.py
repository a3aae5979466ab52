"""The HTTP server as Knative runs it: `python -m liteship.runtime`, a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.conftest import free_port
from tests.exposition import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Any]

PNG = {"content-type": "image/png"}
PATIENCE_S = 60


def run_to_its_end(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "liteship.runtime", *arguments],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_answers_until_it_is_told_to_stop(start_server: Start, digit_png: bytes) -> None:
    server = start_server(LITESHIP_DRAIN_S="0")
    assert httpx.get(f"{server.url}/health/ready").json()["ready"]
    answer = httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG)
    assert answer.json()["predictions"][0]["label"] == "7"
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0
    messages = [line["message"] for line in server.log_lines()]
    assert messages == ["model ready", "serving", "predicted", "shutting down"]


def test_many_callers_at_once_each_get_their_own_answer(start_server: Start, digit_images: Any) -> None:
    import io

    from PIL import Image

    server = start_server(LITESHIP_WORKERS="2")
    images, labels = digit_images
    bodies = []
    for pixels in images[:60]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        bodies.append(buffer.getvalue())
    with httpx.Client(base_url=server.url) as client, ThreadPoolExecutor(8) as pool:

        def ask(body: bytes) -> Any:
            return client.post("/predict", content=body, headers=PNG).json()["predictions"]

        one_by_one = [ask(body) for body in bodies]
        assert list(pool.map(ask, bodies)) == one_by_one
    predictions = parse(httpx.get(f"{server.url}/metrics").text)["liteship_predictions_total"]
    assert predictions.value(model="digits", version="1") == 2 * len(bodies)
    right = sum(
        answer[0]["label"] == str(label) for answer, label in zip(one_by_one, labels, strict=False)
    )
    assert right > len(bodies) * 0.9


def test_a_corrupt_golden_output_never_becomes_ready(
    start_server: Start, function_folder: Path, digit_png: bytes
) -> None:
    corrupt_golden_output(function_folder)
    server = start_server(function_folder)
    live = httpx.get(f"{server.url}/health/live")
    assert (live.status_code, live.json()) == (200, {"live": True})
    ready = httpx.get(f"{server.url}/health/ready")
    predict = httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG)
    for refused in (ready, predict):
        assert refused.status_code == 503
        assert refused.json()["reference"] == "self-test-failed"
        assert "golden input" in refused.json()["error"]
    assert server.process.poll() is None
    first = server.log_lines()[0]
    assert (first["level"], first["message"]) == ("ERROR", "model not ready")


def test_a_corrupt_golden_output_on_lambda(
    function_folder: Path,
    make_function: Callable[..., Any],
    lambda_context: Callable[[], object],
    digit_png: bytes,
) -> None:
    from liteship.errors import NotReadyError

    corrupt_golden_output(function_folder)
    function = make_function()
    statuses = {}
    for method, path in (("GET", "/health/live"), ("GET", "/health/ready"), ("POST", "/predict")):
        http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
        event = {"version": "2.0", "headers": {}, "requestContext": {"http": http}, "body": "x"}
        answer = function(event, lambda_context())
        statuses[path] = answer["statusCode"], json.loads(answer["body"]).get("reference")
    assert statuses == {
        "/health/live": (200, None),
        "/health/ready": (503, "self-test-failed"),
        "/predict": (503, "self-test-failed"),
    }
    s3 = {"bucket": {"name": "b"}, "object": {"key": "incoming/7.png"}}
    record = {"eventSource": "aws:s3", "eventVersion": "2.1", "s3": s3}
    with pytest.raises(NotReadyError) as raised:
        function({"Records": [record]}, lambda_context())
    assert raised.value.reference == "self-test-failed"


def test_settings_that_cannot_be_used_end_the_start_without_a_traceback(
    function_folder: Path,
) -> None:
    done = run_to_its_end(function_folder, PORT="http", LITESHIP_WORKERS="0")
    assert done.returncode == 1
    assert "PORT: expected a whole number" in done.stderr
    assert "LITESHIP_WORKERS" in done.stderr
    assert "next step:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nope", "nope"),
        ("missing.handler", "missing"),
        ("app.nothing", "nothing"),
        ("", "MODULE.HANDLER"),
        (".", "MODULE.HANDLER"),
    ],
)
def test_a_handler_that_is_not_there_is_told_without_a_traceback(
    name: str, reason: str, function_folder: Path
) -> None:
    done = run_to_its_end(function_folder, name)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "next step:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_app_py_keeps_its_traceback(function_folder: Path) -> None:
    """It is the author's code that failed: the traceback is what they need."""
    (function_folder / "app.py").write_text("import module_that_is_not_there\n")
    done = run_to_its_end(function_folder)
    assert done.returncode == 1
    assert "module_that_is_not_there" in done.stderr
    assert 'app.py", line 1' in done.stderr


def test_a_port_in_use_is_told(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    shutil.copytree(server.folder, tmp_path / "second")
    done = run_to_its_end(tmp_path / "second", PORT=server.url.rpartition(":")[2])
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "next step:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "model ready" not in done.stdout, "it is told before the model is loaded"


WAITING_APP = """
import os, time
print('{"message": "loading"}', flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
from liteship import Function
handler = Function(__file__)
"""


def test_who_asks_while_the_model_is_loaded_is_answered_when_it_is(
    start_process: Callable[..., subprocess.Popen[str]], function_folder: Path
) -> None:
    (function_folder / "app.py").write_text(WAITING_APP)
    port = free_port()
    process = start_process(function_folder, PORT=str(port))
    assert process.stdout is not None
    assert "loading" in process.stdout.readline()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as early:
        early.sendall(b"GET /health/ready HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        (function_folder / "go").touch()
        answer = b"".join(iter(lambda: early.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"ready": true' in answer


SMUGGLED = (
    b"POST /predict HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    b"0\r\n\r\n"
    b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n"
)


def talk(server: Any, sent: bytes) -> bytes:
    """Everything that comes back until the server closes the connection."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_no_request_hides_in_another(start_server: Start) -> None:
    answer = talk(start_server(), SMUGGLED)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (
        b'"http-invalid"' in answer
    )  # by the parser; behind another server the application refuses it


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_a_request_takes_the_memory_of_the_one_before(start_server: Start) -> None:
    server = start_server()
    requests, body = 50, bytes(400_000)
    with httpx.Client(base_url=server.url) as client:

        def page_faults_after(count: int) -> int:
            for _ in range(count):
                assert client.post("/predict", content=body).status_code == 415
            return int(Path(f"/proc/{server.process.pid}/stat").read_text().split()[9])

        before = page_faults_after(requests)
        assert (
            page_faults_after(requests) - before < requests * len(body) / os.sysconf("SC_PAGESIZE") / 4
        )


def test_callers_who_stop_in_the_middle_fill_no_memory(start_server: Start, digit_png: bytes) -> None:
    limit_bytes = 100_000
    server = start_server(
        LITESHIP_WORKERS="1", LITESHIP_QUEUE="1", LITESHIP_MAX_BODY_BYTES=str(limit_bytes)
    )
    head = f"POST /predict HTTP/1.1\r\nhost: h\r\ncontent-length: {limit_bytes}\r\n\r\n".encode()
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(4)]
        for connection in slow:
            connection.sendall(head + bytes(limit_bytes - 1))
        readable, _, _ = select.select(slow, [], [], PATIENCE_S)
        assert readable[0].recv(100).startswith(b"HTTP/1.1 503 ")
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
    answer = httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG)
    while answer.status_code == 503:  # until it has seen that they are gone
        answer = httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG)
    assert answer.status_code == 200


def test_readiness_as_knative_asks_to_detect_http2(start_server: Start, function_folder: Path) -> None:
    """With the feature autodetect-http2, nothing else decides whether a Pod is ready."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": ""}

    def ask(server: Any) -> int:
        return httpx.options(f"{server.url}/health/ready", headers=offer).status_code

    assert ask(start_server()) == 200
    corrupt_golden_output(function_folder)
    assert ask(start_server(function_folder)) == 503


def test_nothing_reads_the_log(
    start_process: Callable[..., subprocess.Popen[str]], function_folder: Path, digit_png: bytes
) -> None:
    port = free_port()
    process = start_process(function_folder, PORT=str(port), LITESHIP_DRAIN_S="0")
    assert process.stdout is not None
    assert any("model ready" in line for line in process.stdout)
    process.stdout.close()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        answers = [client.post("/predict", content=digit_png, headers=PNG) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_without_standard_output_and_error(function_folder: Path, digit_png: bytes) -> None:
    port = free_port()
    command = f"exec {shlex.quote(sys.executable)} -m liteship.runtime >&- 2>&-"
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=function_folder,
        env=os.environ | {"PORT": str(port), "LITESHIP_DRAIN_S": "0"},
    )
    try:
        while process.poll() is None:
            try:
                answer = httpx.post(f"http://127.0.0.1:{port}/predict", content=digit_png, headers=PNG)
            except httpx.TransportError:
                continue
            assert answer.status_code == 200
            process.send_signal(signal.SIGTERM)
            break
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()


def corrupt_golden_output(folder: Path) -> None:
    path = folder / "model" / "model.json"
    content = json.loads(path.read_text())
    (output,) = content["golden"]["outputs"]
    content["golden"]["outputs"] = [bytes(each ^ 0x7F for each in bytes.fromhex(output)).hex()]
    path.write_text(json.dumps(content))
