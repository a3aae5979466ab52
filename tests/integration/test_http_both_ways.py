"""One list of requests through every way an HTTP request can take; all answer alike.

The Lambda handler (short list before any framework), FastAPI under Mangum, the ASGI application, its
FastAPI application, and a uvicorn server in a process of its own.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.digits_cases import GOOD, SEVERAL
from tests.http_cases import (
    ENVIRON,
    MAX_BODY_BYTES,
    event_v1,
    event_v2,
    from_httpx,
    from_lambda,
    over_http,
)
from tests.pictures import bomb
from tests.protocol_cases import CASES

from liteship import Function

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image
    from tests.http_cases import Answer, Case


@pytest.fixture(scope="module")
def ways(
    artifact_folder: Path,
    start_server: Callable[..., Any],
    lambda_context: Callable[[], Any],
    loop: asyncio.AbstractEventLoop,
) -> dict[str, Callable[[Case], Answer]]:
    function = Function(str(artifact_folder.parent / "app.py"), environ=ENVIRON)
    server = start_server(**ENVIRON)

    def ask_asgi(app: Any, case: Case) -> Answer:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(
                    case.method, case.target, content=case.body, headers=case.all_headers()
                )

        return from_httpx(loop.run_until_complete(ask()))

    def ask_lambda(handler: Any, event: dict[str, Any]) -> Answer:
        context = lambda_context()
        answer = from_lambda(handler(event, context))
        if "x-request-id" in answer.headers:
            assert answer.headers["x-request-id"] == context.aws_request_id
        return answer

    return {
        "lambda, v2": lambda case: ask_lambda(function, event_v2(case)),
        "lambda, v2 at a stage": lambda case: ask_lambda(function, event_v2(case, "prod")),
        "lambda, v1": lambda case: ask_lambda(function, event_v1(case)),
        "mangum, v2": lambda case: ask_lambda(function.mangum, event_v2(case)),
        "mangum, v1": lambda case: ask_lambda(function.mangum, event_v1(case)),
        "asgi": lambda case: ask_asgi(function.asgi, case),
        "fastapi": lambda case: ask_asgi(function.app, case),
        "uvicorn": lambda case: over_http(server.url, case),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_way_gives_the_same_answer(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    case = CASES[name](digit_picture)
    answers = {way: ask(case) for way, ask in ways.items()}
    first = answers["lambda, v2"]
    for way, answer in answers.items():
        assert answer.comparable() == first.comparable(), way

    assert first.status == case.status
    if case.reference is not None:
        content = json.loads(first.body)
        assert content["reference"] == case.reference
        assert content["hint"]
        assert first.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_the_seven_is_a_seven(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    answer = ways["uvicorn"](GOOD[name](digit_picture))
    best, *_ = json.loads(answer.body)["predictions"]
    assert best["label"] == "7"


@pytest.mark.parametrize("name", ["form of three", "list of pictures", "batch in json", "raw batch"])
def test_every_item_of_several_is_a_seven(
    name: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    answer = ways["uvicorn"](SEVERAL[name](digit_picture))
    results = json.loads(answer.body)["results"]
    assert [result["predictions"][0]["label"] for result in results] == ["7"] * len(results)
    assert len(results) > 1


@pytest.mark.parametrize("way", ["asgi", "fastapi", "uvicorn"])
def test_a_server_keeps_the_callers_request_id(
    way: str, ways: dict[str, Callable[[Case], Answer]], digit_picture: Image.Image
) -> None:
    case = CASES["a request id of the caller's"](digit_picture)
    assert ways[way](case).headers["x-request-id"] == "mine"


def test_the_bomb_is_small_and_really_that_large() -> None:
    from PIL import PngImagePlugin

    body = bomb()
    assert len(body) < MAX_BODY_BYTES
    assert PngImagePlugin.PngImageFile(io.BytesIO(body)).size == (20_000, 20_000)
