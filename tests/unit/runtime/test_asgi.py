from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from liteship.errors import InputError, NotReadyError, PayloadTooLargeError
from liteship.runtime import receiving
from liteship.runtime.function import Function
from liteship.runtime.inference import Inference
from liteship.runtime.receiving import Intake, read_body, request_id_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

WINE = Path(__file__).parents[3] / "functions" / "wine"
LIMIT_BYTES = 1000


@pytest.mark.parametrize("given", ["a", "x" * 128, "trace-1/2 3"])
def test_a_harmless_request_id_is_kept(given: str) -> None:
    assert request_id_from({"x-request-id": given}) == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a\nb", "é", "a\x00", "\x7f"])
def test_any_other_is_replaced(given: str) -> None:
    found = request_id_from({"x-request-id": given})
    assert str(uuid.UUID(found)) == found
    assert found != request_id_from({})


def read(headers: dict[str, str], *parts: bytes) -> tuple[bytes, int]:
    """What `read_body` gives, and how many parts it took."""
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {
            "type": "http.request",
            "body": parts[taken - 1],
            "more_body": taken < len(parts),
        }

    try:
        return asyncio.run(read_body(headers, receive, LIMIT_BYTES)), taken
    except PayloadTooLargeError as error:
        assert error.reference == "body-too-large"  # noqa: PT017  # counted below
        return b"", taken


def test_a_body_is_all_of_its_parts() -> None:
    assert read({}, b"ab", b"", b"cd") == (b"abcd", 3)
    assert read({}, bytes(LIMIT_BYTES)) == (bytes(LIMIT_BYTES), 1)


def test_a_body_cut_off_by_the_client_is_not_taken_for_whole() -> None:
    half = {"type": "http.request", "body": b"half", "more_body": True}
    messages: Iterator[dict[str, Any]] = iter([half, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    with pytest.raises(InputError) as caught:
        asyncio.run(read_body({}, receive, 100))
    assert caught.value.reference == "client-gone"


def test_reading_stops_at_the_limit() -> None:
    assert read({}, bytes(600), bytes(600), bytes(600)) == (b"", 2)


@pytest.mark.parametrize("declared", [str(LIMIT_BYTES + 1), "9" * 5000])
def test_a_declared_length_over_the_limit_is_refused_unread(declared: str) -> None:
    assert read({"content-length": declared}, b"x") == (b"", 0)


@pytest.mark.parametrize("declared", ["", "0", "many", "-1"])
def test_a_declared_length_proves_nothing(declared: str) -> None:
    assert read({"content-length": declared}, bytes(600), bytes(600)) == (b"", 2)


async def parts_of(*sizes: int) -> AsyncIterator[dict[str, Any]]:
    for size in sizes:
        yield {"type": "http.request", "body": bytes(size), "more_body": True}


async def take(intake: Intake, *sizes: int) -> int:
    """Parts of a body that is never whole; how many were taken when the sender stopped."""
    parts = parts_of(*sizes)
    async with intake.watch(parts.__anext__) as receive:
        for _ in sizes:
            await receive()
    return len(sizes)


def test_bodies_that_are_not_whole_hold_so_much_memory_and_no_more() -> None:
    intake = Intake(1000, 500)

    async def hold() -> None:
        first, second = parts_of(500), parts_of(400)
        async with intake.watch(first.__anext__) as one, intake.watch(second.__anext__) as two:
            await one()
            await two()
            assert await take(intake, 100) == 1
            with pytest.raises(NotReadyError) as caught:
                await take(intake, 100, 1)
            assert caught.value.reference == "queue-full"
            assert await take(intake, 100) == 1, "what was refused holds nothing"

    asyncio.run(hold())
    assert asyncio.run(take(intake, 500)) == 1


def test_what_is_read_and_not_kept_takes_no_room() -> None:
    """An object over the limit, in an event: it is read to its end, for a result that says so."""
    assert asyncio.run(take(Intake(1000, 500), *[300] * 20)) == 20


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "RECEIVE_S", 0.01)

    async def stand_still() -> None:
        async with Intake(1000, 500).watch(asyncio.Event().wait) as receive:  # type: ignore[arg-type]
            await receive()

    with pytest.raises(NotReadyError) as caught:
        asyncio.run(stand_still())
    assert caught.value.reference == "body-slow"


def test_a_body_in_chunks_over_the_limit_is_refused(make_function: Callable[..., Function]) -> None:
    function = make_function(LITESHIP_MAX_BODY_BYTES=str(LIMIT_BYTES))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(600)

    async def ask(app: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/predict", content=chunks())

    for app in (function.asgi, function.app):
        response = asyncio.run(ask(app))
        assert response.status_code == 413
        assert response.json()["received"] == "1,200 bytes"


def test_a_body_of_two_lengths_is_refused(make_function: Callable[..., Function]) -> None:
    """By any server that lets it through; ours refuses it as it parses it."""

    async def ask(app: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            headers = {"content-length": "5", "transfer-encoding": "chunked"}
            return await client.post("/predict", content=b"12345", headers=headers)

    response = asyncio.run(ask(make_function().asgi))
    assert (response.status_code, response.json()["reference"]) == (400, "framing-ambiguous")
    assert response.headers["connection"] == "close"


def learn_quick(function: Function) -> None:
    """As if it had answered one request in next to no time."""
    quick = Inference("wine", "1", [{}], [{}], [], {"invoke": 0.0001})
    function.asgi._workers.learn(quick)


V2_INFER = "/v2/models/wine/infer"
V2_BODY = {
    "inputs": [{"name": "measurements", "shape": [1, 13], "datatype": "FP32", "data": [0.5] * 13}]
}


@pytest.mark.parametrize(
    ("path", "content_type", "body", "status"),
    [
        ("/predict", "application/octet-stream", bytes(52), 200),
        ("/predict?top=1", "application/octet-stream", bytes(52), 200),
        (V2_INFER, "application/json", json.dumps(V2_BODY).encode(), 200),
        ("/v1/models/wine:predict", "application/json", b'{"instances": [[0.5]]}', 400),
        ("/predict", "application/octet-stream", bytes(51), 400),
        ("/predict", "text/plain", b"x", 415),
        ("/v2/models/other/infer", "application/json", b"{}", 404),
    ],
)
def test_what_is_answered_at_once_is_answered_the_same(
    path: str, content_type: str, body: bytes, status: int
) -> None:
    function = Function(str(WINE / "app.py"), environ={})
    headers = {"content-type": content_type, "x-request-id": "r", "content-length": str(len(body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asked = b"POST", path.encode(), raw, body
    assert function.asgi.answer_at_once(*asked) is None, "nothing is known of its cost"

    async def ask(app: Any) -> tuple[httpx.Response, str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            response = await client.post(path, content=body, headers=headers)
            return response, (await client.get("/metrics")).text

    answer, _ = asyncio.run(ask(function.asgi))
    learn_quick(function)
    at_once = function.asgi.answer_at_once(*asked)
    assert at_once is not None
    assert (at_once.status, answer.status_code) == (status, status)
    assert at_once.body == answer.content
    for ours in (at_once.headers, answer.headers):
        assert "server-timing" in ours if status == 200 else "server-timing" not in ours
    assert {**at_once.headers, "server-timing": ""} == {**answer.headers, "server-timing": ""}
    _, metrics = asyncio.run(ask(function.asgi))
    total = sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("liteship_requests_total{")
    )
    assert total == 3


@pytest.mark.parametrize(
    ("method", "target", "extra"),
    [
        (b"GET", b"/predict", ()),
        (b"GET", b"/health/live", ()),
        (b"POST", b"/nowhere", ()),
        (b"POST", b"/", ()),
        (b"POST", b"/%70redict", ()),
        (b"POST", b"/predict#there", ()),
        (b"POST", b"http://h/predict", ()),
        (b"POST", b"/predict", ((b"content-encoding", b"gzip"),)),
        (b"POST", b"/predict", ((b"content-length", b"1"), (b"transfer-encoding", b"chunked"))),
    ],
)
def test_everything_else_is_left_to_the_application(
    method: bytes, target: bytes, extra: tuple[tuple[bytes, bytes], ...]
) -> None:
    function = Function(str(WINE / "app.py"), environ={})
    learn_quick(function)
    content_type = (b"content-type", b"application/octet-stream")
    assert function.asgi.answer_at_once(b"POST", b"/predict", [content_type], bytes(52))
    assert function.asgi.answer_at_once(method, target, [content_type, *extra], bytes(52)) is None
    function.asgi.draining = True
    assert function.asgi.answer_at_once(b"POST", b"/predict", [content_type], bytes(52)) is None


def test_start_and_end_are_acknowledged(make_function: Callable[..., Function]) -> None:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(make_function().asgi({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_health_is_answered_while_every_worker_predicts(
    make_function: Callable[..., Function], digit_png: bytes
) -> None:
    """A prediction that hangs must not make the platform think that the process is dead."""
    import threading

    function = make_function()
    release, started = threading.Event(), threading.Event()
    assert function._predictor is not None

    def slow(_body: bytes, _content_type: str) -> dict[str, bytes]:
        started.set()
        release.wait()
        return {"image": bytes(64)}

    function._predictor._preprocess = slow

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(function.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"content-type": "image/png"}
            prediction = asyncio.create_task(
                client.post("/predict", content=digit_png, headers=headers)
            )
            await asyncio.to_thread(started.wait)
            health = await client.get("/health/ready")
            assert not prediction.done()
            release.set()
            return health, await prediction

    health, prediction = asyncio.run(ask())
    assert json.loads(health.content)["ready"]
    assert prediction.status_code == 200
