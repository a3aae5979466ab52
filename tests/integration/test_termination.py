"""How the HTTP server ends: a process of its own, real signals, requests all the while."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.exposition import parse

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., Any]

PNG = {"content-type": "image/png"}
PATIENCE_S = 60
SLOW_APP = """
import time
from liteship import Function
from liteship.runtime import server
server.GRACEFUL_SHUTDOWN_S = {graceful_s}
def postprocess(outputs):
    print('{{"message": "in flight"}}', flush=True)
    time.sleep({seconds})
    return {{"answer": 42}}
handler = Function(__file__, postprocess=postprocess)
"""


def wait_for(server: Any, message: str) -> None:
    while message not in server.log.read_text():
        assert server.process.poll() is None


def in_flight(server: Any) -> float:
    families = parse(httpx.get(f"{server.url}/metrics").text)
    return families["liteship_requests_in_flight"].value(model="digits", version="1")


@pytest.mark.parametrize("keep_alive", [True, False])
def test_under_load_no_request_is_lost(start_server: Start, digit_png: bytes, keep_alive: bool) -> None:
    """Callers ask until the Pod is taken out of its Service, which follows readiness and comes late."""
    server = start_server(LITESHIP_WORKERS="2", LITESHIP_DRAIN_S="5")
    routed_away, warm = threading.Event(), threading.Barrier(5)
    limits = httpx.Limits(max_keepalive_connections=1 if keep_alive else 0)

    def call() -> list[tuple[int, str]]:
        found = []
        with httpx.Client(base_url=server.url, limits=limits) as client:
            while not routed_away.is_set():
                answer = client.post("/predict", content=digit_png, headers=PNG)
                found.append((answer.status_code, answer.headers.get("connection", "")))
                if len(found) == 20:
                    warm.wait(PATIENCE_S)
        return found

    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url) as client:
        try:
            callers = [pool.submit(call) for _ in range(4)]
            warm.wait(PATIENCE_S)
            server.process.send_signal(signal.SIGTERM)
            while (ready := client.get("/health/ready")).status_code == 200:
                pass
            assert ready.json()["reference"] == "shutting-down"
            for _ in range(20):  # nobody knows yet
                assert client.get("/health/live").status_code == 200
        finally:
            routed_away.set()
        answers = [answer for caller in callers for answer in caller.result()]
    assert {status for status, _ in answers} == {200}
    assert "close" in {connection for _, connection in answers}, "some were answered while draining"
    assert server.process.wait(PATIENCE_S) == 0


def test_requests_in_flight_and_waiting_are_answered(
    start_server: Start, function_folder: Path, digit_png: bytes
) -> None:
    (function_folder / "app.py").write_text(SLOW_APP.format(seconds=0.5, graceful_s=25))
    server = start_server(function_folder, LITESHIP_WORKERS="1", LITESHIP_DRAIN_S="0")
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(httpx.post, f"{server.url}/predict", content=digit_png, headers=PNG)
            for _ in range(3)
        ]
        while in_flight(server) < 3:
            assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        answers = [each.result() for each in asked]
    assert [answer.json()["answer"] for answer in answers] == [42, 42, 42]
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    assert server.process.wait(PATIENCE_S) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health/live")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(
    start_server: Start, function_folder: Path, digit_png: bytes, second: signal.Signals
) -> None:
    (function_folder / "app.py").write_text(SLOW_APP.format(seconds=10 * PATIENCE_S, graceful_s=25))
    server = start_server(function_folder)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.post, f"{server.url}/predict", content=digit_png, headers=PNG)
        wait_for(server, "in flight")
        server.process.send_signal(signal.SIGTERM)
        wait_for(server, "shutting down")
        server.process.send_signal(second)
        assert server.process.wait(PATIENCE_S) == 128 + second
        assert isinstance(asked.exception(), httpx.TransportError)


def test_a_prediction_that_hangs_does_not_hold_the_process(
    start_server: Start, function_folder: Path, digit_png: bytes
) -> None:
    (function_folder / "app.py").write_text(SLOW_APP.format(seconds=10 * PATIENCE_S, graceful_s=1))
    server = start_server(function_folder, LITESHIP_DRAIN_S="0")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.post, f"{server.url}/predict", content=digit_png, headers=PNG)
        wait_for(server, "in flight")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 1
        assert asked.exception() is not None or asked.result().status_code == 500
    assert "ended before every request was answered" in server.log.read_text()


def test_ctrl_c_does_not_wait_for_a_service(start_server: Start) -> None:
    server = start_server(LITESHIP_DRAIN_S="20")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(15) == 0


def test_a_model_that_is_tried_again_does_not_hold_the_process(
    start_server: Start, tmp_path: Path
) -> None:
    server = start_server(LITESHIP_MODEL=str(tmp_path / "nowhere"), LITESHIP_DRAIN_S="0")
    assert httpx.get(f"{server.url}/health/ready").status_code == 503
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(15) == 0


LOADING_APP = """
import time
print('{"message": "loading"}', flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_model_is_loaded_ends_at_once(
    start_process: Callable[..., subprocess.Popen[str]], function_folder: Path, number: signal.Signals
) -> None:
    """By a handler of ours: process 1 of a container has no other."""
    (function_folder / "app.py").write_text(LOADING_APP)
    process = start_process(function_folder)
    assert process.stdout is not None
    assert "loading" in process.stdout.readline()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 128 + number
    assert process.stdout.read() == ""


def test_a_signal_just_after_it_listens_is_heard(
    start_process: Callable[..., subprocess.Popen[str]], function_folder: Path
) -> None:
    """By whichever handler is there: the early one, or the server's."""
    process = start_process(function_folder, LITESHIP_DRAIN_S="0")
    assert process.stdout is not None
    assert any("model ready" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    code, rest = process.wait(PATIENCE_S), process.stdout.read()
    assert code == 0 if "shutting down" in rest else code == 128 + signal.SIGTERM
    assert "Traceback" not in rest
