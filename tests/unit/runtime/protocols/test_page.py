from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from liteship import Function
from liteship.runtime.http import QUESTION, Request
from liteship.runtime.protocols.page import FILE, read_page
from liteship.runtime.routes import answer, find

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI

    from liteship.runtime.http import Response

EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}},
}


def ask(function: Function, path: str, query: str = "", **headers: str) -> Response:
    request = Request("GET", path, headers, b"", "id-1", query)
    response = answer(function, request)
    assert response is not None
    return response


@pytest.fixture
def function(make_function: Callable[..., Function]) -> Function:
    return make_function()


def test_the_page_is_html_that_may_do_nothing_but_ask_this_function(function: Function) -> None:
    response = ask(function, "/")
    with open(FILE, "rb") as file:
        assert response.body == file.read()
    assert response.status == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        each.split(" ", 1) for each in response.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["img-src"] == "blob: data:"
    for name in ("script", "style"):
        (text,) = re.findall(rf"<{name}[^>]*>(.*?)</{name}>".encode(), response.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert policy[f"{name}-src"] == f"'sha256-{digest}'"


def test_the_page_is_one_file_without_handlers_in_its_markup() -> None:
    content, _ = read_page()
    markup = re.sub(rb"<(script|style)[^>]*>.*?</\1>", b"", content, flags=re.DOTALL)
    assert not re.search(rb"\s(on\w+|style)=", markup)
    assert not re.findall(rb"https?://", markup.replace(b"http://www.w3.org/2000/svg", b""))
    assert b"innerHTML" not in content


def test_a_page_that_the_browser_has_is_not_sent_again(function: Function) -> None:
    etag = ask(function, "/").headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        response = ask(function, "/", **{"if-none-match": known})
        assert (response.status, response.body) == (304, b"")
        assert response.headers["etag"] == etag
        assert "content-length" not in response.headers
    assert ask(function, "/", **{"if-none-match": '"other"'}).status == 200


def test_the_page_is_there_before_the_model_is(make_function: Callable[..., Function]) -> None:
    function = make_function(LITESHIP_MODEL="/nowhere")
    assert ask(function, "/").status == 200
    assert ask(function, "/model").status == ask(function, "/model/example").status == 503


def test_the_model_is_asked_about_by_name(function: Function, artifact_folder: Path) -> None:
    manifest = json.loads((artifact_folder / "model.json").read_text())
    for query in ("", "model=digits&version=1"):
        answered = json.loads(ask(function, "/model", query).body)
        assert {"name", "version", "sha256", "inputs", "outputs", "scheme"} <= answered.keys()
        assert answered == {key: manifest[key] for key in answered}
    unknown = ask(function, "/model", "version=9")
    assert (unknown.status, json.loads(unknown.body)["reference"]) == (404, "version-unknown")


def test_a_route_of_the_functions_own_comes_before_the_page(
    function_folder: Path, lambda_context: Callable[[], Any], loop: asyncio.AbstractEventLoop
) -> None:
    def extend(app: FastAPI) -> None:
        @app.get("/")
        def home() -> str:
            return "my own"

    function = Function(str(function_folder / "app.py"), extend=extend, environ={})
    assert find(function, "GET", "/") is None
    response: Any = function(EVENT, lambda_context())
    assert (response["statusCode"], response["body"]) == (200, '"my own"')


def test_routes_elsewhere_leave_the_page_where_it_is(
    function_folder: Path, lambda_context: Callable[[], Any], loop: asyncio.AbstractEventLoop
) -> None:
    def extend(app: FastAPI) -> None:
        @app.get("/own")
        def own() -> str:
            return "my own"

    function = Function(str(function_folder / "app.py"), extend=extend, environ={})
    response: Any = function(EVENT, lambda_context())
    assert response["headers"]["content-type"] == "text/html; charset=utf-8"
    assert response["body"] == read_page()[0].decode()


def test_it_is_a_question(function: Function) -> None:
    found = find(function, "GET", "/")
    assert found is not None
    assert found[0].kind == QUESTION
    assert find(function, "POST", "/") is None
