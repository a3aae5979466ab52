"""The FastAPI application beyond the short list: the user's own routes, and what they raise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import HTTPException

from liteship import Function
from liteship.runtime.routes import all_routes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI


def extend(app: FastAPI) -> None:
    @app.get("/own/{number}")
    def own(number: int) -> dict[str, int]:
        if number == 0:
            raise HTTPException(402, "pay first", {"X-Price": "1"})
        return {"reciprocal": 10 // (number - 1)}


@pytest.fixture
def function(function_folder: Path) -> Function:
    return Function(str(function_folder / "app.py"), extend=extend, environ={})


@pytest.fixture(params=["asgi", "mangum"])
def ask(
    request: pytest.FixtureRequest,
    function: Function,
    lambda_context: Callable[[], object],
    loop: asyncio.AbstractEventLoop,
) -> Callable[[str, str], tuple[int, dict[str, str], str]]:
    async def over_asgi(method: str, path: str) -> tuple[int, dict[str, str], str]:
        transport = httpx.ASGITransport(function.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.request(method, path)
        return response.status_code, dict(response.headers), response.text

    def over_lambda(method: str, path: str) -> tuple[int, dict[str, str], str]:
        http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
        event = {"version": "2.0", "headers": {}, "requestContext": {"http": http}}
        answer: Any = function(event, lambda_context())
        return answer["statusCode"], answer["headers"], answer["body"]

    if request.param == "asgi":
        return lambda method, path: loop.run_until_complete(over_asgi(method, path))
    return over_lambda


def test_a_route_of_its_own_is_answered(ask: Any) -> None:
    status, _, body = ask("GET", "/own/3")
    assert (status, json.loads(body)) == (200, {"reciprocal": 5})


def test_what_it_raises_on_purpose_keeps_its_words(ask: Any) -> None:
    status, headers, body = ask("GET", "/own/0")
    assert (status, headers["x-price"]) == (402, "1")
    assert json.loads(body) == {"detail": "pay first"}


def test_what_it_cannot_read_is_fastapis_own_refusal(ask: Any) -> None:
    status, _, body = ask("GET", "/own/many")
    assert status == 422
    assert json.loads(body)["detail"][0]["loc"] == ["path", "number"]


def test_what_it_raises_by_mistake_is_opaque_and_logged(
    ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    status, headers, body = ask("GET", "/own/1")
    content = json.loads(body)
    assert (status, content["reference"]) == (500, "internal")
    assert "ZeroDivisionError" not in body
    assert content["request_id"] == headers["x-request-id"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line.get("message") == "refused"]
    assert line["request_id"] == content["request_id"]
    assert "ZeroDivisionError" in line["traceback"]


def test_an_unknown_path_is_told_with_those_there_are(ask: Any) -> None:
    status, headers, body = ask("GET", "/nowhere")
    content = json.loads(body)
    assert (status, content["reference"]) == (404, "route-unknown")
    assert "POST /predict" in content["expected"]
    assert content["request_id"] == headers["x-request-id"]


def test_an_unknown_method_is_told_with_those_there_are(ask: Any) -> None:
    status, headers, body = ask("PUT", "/predict")
    assert (status, headers["allow"]) == (405, "POST")
    assert json.loads(body)["reference"] == "route-unknown"


def test_the_first_documents_may_be_asked_for_at_once(run_python: Callable[..., str]) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
from liteship import Function
def extend(app):
    @app.get("/own/{number}")
    def own(number: int) -> dict[str, int]:
        return {}
application = Function("app.py", extend=extend, environ={}).app
with ThreadPoolExecutor(8) as pool:
    documents = list(pool.map(lambda _: application.openapi(), range(16)))
print(len(documents), all(each == documents[0] for each in documents))
"""
    assert run_python(script).splitlines()[-1] == "16 True"


def test_the_openapi_document_names_every_path(function: Function) -> None:
    document = function.app.openapi()
    short_list = {route.template for route in all_routes()}
    assert short_list > {"/predict", "/model", "/health/live", "/health/ready"}
    refusals = {path for path in short_list if path.endswith((":classify", ":regress"))}
    assert set(document["paths"]) == (short_list - refusals) | {"/own/{number}"}
    body = document["paths"]["/predict"]["post"]["requestBody"]
    assert set(body["content"]) >= {"image/png", "application/json", "application/octet-stream"}
    for methods in document["paths"].values():
        assert all(operation["summary"] for operation in methods.values())
