"""The ASGI application when it has much to do, when it is about to end, and what it counts."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.exposition import Family, parse

from liteship.errors import NotReadyError
from liteship.runtime.cpu_quota import usable_cpus
from liteship.runtime.workers import QUEUE_PER_WORKER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from liteship import Function

    Make = Callable[..., Function]

PNG = {"content-type": "image/png"}
DIGITS = {"model": "digits", "version": "1"}


@asynccontextmanager
async def client_of(function: Function) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(function.asgi, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def metrics_of(client: httpx.AsyncClient) -> dict[str, Family]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(response.text)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Predictions of `held` wait for it."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def held(make_function: Make, gate: threading.Event) -> Make:
    """Makes a function whose predictions wait at the gate."""

    def make(**environ: str) -> Function:
        function = make_function(**environ)
        predictor = function.require_predictor()

        def wait(_body: bytes, _content_type: str) -> dict[str, bytes]:
            gate.wait()
            return {"image": bytes(64)}

        predictor._preprocess = wait
        return function

    return make


async def until_unfinished(function: Function, count: int) -> None:
    while function.asgi.unfinished != count:  # noqa: ASYNC110  # the application tells nobody
        await asyncio.sleep(0)


def test_workers_are_as_many_as_there_are_cpus(make_function: Make) -> None:
    assert make_function().asgi.workers == usable_cpus()
    assert make_function(LITESHIP_WORKERS="7").asgi.workers == 7


@pytest.mark.parametrize(("queue", "places"), [("0", 2), ("1", 3), ("", 2 + 2 * QUEUE_PER_WORKER)])
def test_what_has_no_place_is_refused_at_once(
    queue: str, places: int, held: Make, gate: threading.Event
) -> None:
    function = held(LITESHIP_WORKERS="2", LITESHIP_QUEUE=queue)

    async def ask() -> None:
        async with client_of(function) as client:
            asked = [
                asyncio.create_task(client.post("/predict", content=b"x", headers=PNG))
                for _ in range(places)
            ]
            await until_unfinished(function, places)
            refused = await client.post("/predict", content=b"x", headers=PNG)
            assert refused.status_code == 503
            assert refused.json()["reference"] == "queue-full"
            assert refused.json()["expected"].startswith(f"at most {places} predictions")
            assert refused.headers["retry-after"] == "1"
            assert (await client.get("/health/ready")).status_code == 200
            assert (await client.get("/health/live")).status_code == 200
            families = await metrics_of(client)
            assert families["liteship_requests_in_flight"].value(**DIGITS) == places
            assert families["liteship_queue_waiting"].value(**DIGITS) == places - 2
            gate.set()
            assert {each.status_code for each in await asyncio.gather(*asked)} == {200}
            assert (await client.post("/predict", content=b"x", headers=PNG)).status_code == 200
            families = await metrics_of(client)
            assert families["liteship_requests_in_flight"].value(**DIGITS) == 0
            assert families["liteship_queue_waiting"].value(**DIGITS) == 0
            assert families["liteship_requests_total"].value(**DIGITS, status="503") == 1
            assert families["liteship_requests_total"].value(**DIGITS, status="200") == places + 1

    asyncio.run(ask())


def test_a_full_queue_refuses_before_it_reads(held: Make, gate: threading.Event) -> None:
    function = held(LITESHIP_WORKERS="1", LITESHIP_QUEUE="0")
    statuses: list[int] = []

    async def never_read() -> dict[str, Any]:
        pytest.fail("the body was read")

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def ask() -> None:
        async with client_of(function) as client:
            first = asyncio.create_task(client.post("/predict", content=b"x", headers=PNG))
            await until_unfinished(function, 1)
            scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
            await function.asgi(scope, never_read, send)
            assert statuses[0] == 503
            gate.set()
            assert (await first).status_code == 200

    asyncio.run(ask())


def test_a_slow_caller_holds_no_place(held: Make, gate: threading.Event) -> None:
    """Its place is taken when its request is whole; if there is none left then, it is refused."""
    function = held(LITESHIP_WORKERS="1", LITESHIP_QUEUE="0")

    async def ask() -> None:
        sent = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"x"
            await sent.wait()
            yield b"x"

        async with client_of(function) as client:
            slow = asyncio.create_task(client.post("/predict", content=slowly(), headers=PNG))
            await asyncio.sleep(0)
            quick = asyncio.create_task(client.post("/predict", content=b"x", headers=PNG))
            await until_unfinished(function, 1)
            sent.set()
            assert (await slow).json()["reference"] == "queue-full"
            gate.set()
            assert (await quick).status_code == 200

    asyncio.run(ask())


def test_what_is_counted(make_function: Make, digit_png: bytes) -> None:
    function = make_function(LITESHIP_LOW_CONFIDENCE="1")

    async def ask() -> dict[str, Family]:
        async with client_of(function) as client:
            for _ in range(2):
                await client.post("/predict", content=digit_png, headers=PNG)
                await client.get("/health/ready")
                await client.get("/health/live")
                await metrics_of(client)
            await client.post("/predict", content=b"x", headers=PNG)
            await client.post("/metrics")
            await client.get("/nowhere")
            return await metrics_of(client)

    families = asyncio.run(ask())
    requests = families["liteship_requests_total"]
    assert {key[1][1][1]: count for key, count in requests.samples.items()} == {
        "200": 2,
        "404": 2,
        "415": 1,
    }
    assert families["liteship_request_duration_seconds"].value("_count", **DIGITS) == 5
    assert families["liteship_predictions_total"].value(**DIGITS) == 2
    assert families["liteship_low_confidence_total"].value(**DIGITS) == 2


def test_a_failure_without_an_answer_is_a_500(make_function: Make) -> None:
    function = make_function()
    function.__dict__["app"] = None  # calling it raises

    async def ask() -> dict[str, Family]:
        async with client_of(function) as client:
            await client.get("/nowhere")
            return await metrics_of(client)

    assert asyncio.run(ask())["liteship_requests_total"].value(**DIGITS, status="500") == 1


def test_the_cold_start_is_told_once_the_server_starts(make_function: Make) -> None:
    function = make_function()
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(messages)

    async def send(_message: Any) -> None: ...

    async def ask() -> tuple[dict[str, Family], dict[str, Family]]:
        async with client_of(function) as client:
            before = await metrics_of(client)
            await function.asgi({"type": "lifespan"}, receive, send)
            return before, await metrics_of(client)

    before, after = asyncio.run(ask())
    assert not before["liteship_cold_start_seconds"].samples
    assert after["liteship_cold_start_seconds"].value(**DIGITS) > 0


def test_without_a_model_it_counts_for_an_unknown_one(
    make_function: Make, function_folder: Any
) -> None:
    (function_folder / "model" / "model.tflite").write_bytes(b"damaged")
    function = make_function()
    with pytest.raises(NotReadyError):
        function.require_predictor()

    async def ask() -> dict[str, Family]:
        async with client_of(function) as client:
            await client.post("/predict", content=b"x", headers=PNG)
            return await metrics_of(client)

    requests = asyncio.run(ask())["liteship_requests_total"]
    assert requests.value(model="unknown", version="unknown", status="503") == 1


def test_while_draining_readiness_says_so_and_connections_end(
    make_function: Make, digit_png: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function()

    async def ask() -> dict[tuple[str, str], httpx.Response]:
        async with client_of(function) as client:
            paths = [
                ("GET", "/health/live"),
                ("GET", "/health/ready"),
                ("GET", "/metrics"),
                ("GET", "/v2/health/live"),
                ("GET", "/v2/health/ready"),
                ("GET", "/x"),
            ]
            found = {asked: await client.request(*asked) for asked in paths}
            found["POST", "/predict"] = await client.post("/predict", content=digit_png, headers=PNG)
            return found

    before = asyncio.run(ask())
    assert not [each for each in before.values() if "connection" in each.headers]
    function.asgi.draining = True
    capsys.readouterr()
    draining = asyncio.run(ask())
    assert {each.headers["connection"] for each in draining.values()} == {"close"}
    statuses = {path: response.status_code for (_, path), response in draining.items()}
    assert statuses == {
        "/health/live": 200,
        "/health/ready": 503,
        "/v2/health/live": 200,
        "/v2/health/ready": 503,
        "/metrics": 200,
        "/predict": 200,
        "/x": 404,
    }
    ready = draining["GET", "/health/ready"]
    assert ready.json()["reference"] == "shutting-down"
    assert ready.json()["request_id"] == ready.headers["x-request-id"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["predicted"]


def test_on_lambda_metrics_are_a_path_like_any_other(
    make_function: Make, lambda_context: Callable[[], object], loop: asyncio.AbstractEventLoop
) -> None:
    http = {"method": "GET", "path": "/metrics", "sourceIp": "192.0.2.1", "protocol": "HTTP/1.1"}
    event = {
        "version": "2.0",
        "rawPath": "/metrics",
        "rawQueryString": "",
        "headers": {"host": "test"},
        "requestContext": {"http": http},
    }
    answer: Any = make_function()(event, lambda_context())
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["reference"] == "route-unknown"
