"""The HTTP server where requests share runs: everybody's own answer, and an end without loss."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from liteship import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHARED = {"LITESHIP_BATCHING": "8", "LITESHIP_WORKERS": "12", "LITESHIP_QUEUE": "100"}
RAW = {"content-type": "application/octet-stream"}
JSON = {"content-type": "application/json"}


def test_callers_at_once_get_what_each_gets_alone(
    start_server: Callable[..., Any], artifact_folder: Path
) -> None:
    url = f"{start_server(**SHARED).url}/predict"
    alone = Predictor.load(artifact_folder)
    bodies = [
        bytes((index * 7 + turn) % 128 for turn in range(64)) * (index % 3 + 1) for index in range(60)
    ]
    expected = [alone.predict(body, RAW["content-type"]).fields for body in bodies]
    with ThreadPoolExecutor(16) as pool, httpx.Client(timeout=30) as client:

        def ask(index: int) -> Any:
            if index % 10 == 9:  # between them a request that is refused
                refused = client.post(url, content=b"{", headers=JSON)
                assert refused.status_code == 400
            answered = client.post(url, content=bodies[index], headers=RAW)
            assert answered.status_code == 200, answered.text
            return {key: value for key, value in answered.json().items() if key in expected[index]}

        assert list(pool.map(ask, range(len(bodies)))) == expected


def test_the_end_of_the_process_loses_no_request(start_server: Callable[..., Any]) -> None:
    server = start_server(**SHARED, LITESHIP_DRAIN_S="1")
    with ThreadPoolExecutor(16) as pool:

        def ask(_: int) -> int:
            return httpx.post(
                f"{server.url}/predict", content=bytes(64 * 200), headers=RAW, timeout=30
            ).status_code

        futures = [pool.submit(ask, index) for index in range(64)]
        futures[0].result()
        server.process.send_signal(signal.SIGTERM)
        done = [future.result() for future in futures[:16]]
    assert set(done) == {200}
    assert server.process.wait(30) == 0
