"""The OpenAPI document and the page `/docs`: from installed files alone, and what it says without."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.conftest import DIGITS

from liteship import Function
from liteship.errors import NotFoundError
from liteship.runtime import docs_page
from liteship.runtime.http import Request, Response
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from fastapi import FastAPI

FUNCTION = Function(str(DIGITS / "app.py"), environ={})


def ask(path: str) -> Request:
    return Request("GET", path, {}, b"", "id-1")


def page() -> Response:
    return docs_page.page(FUNCTION, ask("/docs"))


def asset(name: str) -> Response:
    request = ask(f"/docs/{name}")
    request.path_parameters = {"name": name}
    return docs_page.asset(FUNCTION, request)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/start.js"])
def test_they_are_on_the_short_list_where_there_are_no_routes_of_its_own(path: str) -> None:
    response = answer(FUNCTION, ask(path))
    assert response is not None
    assert response.status == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/start.js"])
def test_the_application_has_them_where_there_are(path: str) -> None:
    def extend(app: FastAPI) -> None:
        app.add_api_route("/own", lambda: 1, name="own")

    function = Function(str(DIGITS / "app.py"), extend=extend, environ={})
    assert answer(function, ask(path)) is None
    own = json.loads(docs_page.document(function, ask("/openapi.json")).body)
    ours = json.loads(docs_page.document(FUNCTION, ask("/openapi.json")).body)
    assert own["paths"].pop("/own")
    assert own["paths"] == ours["paths"]


def test_the_page_names_relative_addresses_only() -> None:
    html = page()
    addresses = re.findall(rb'(?:src|href)="([^"]+)"', html.body)
    assert {address.decode().removeprefix("docs/") for address in addresses} == {
        docs_page.START,
        *docs_page.ASSETS,
    }
    assert b"http" not in html.body.replace(b"http-equiv", b"")
    assert b"<script>" not in html.body
    assert b"style=" not in html.body


def test_its_policy_lets_it_ask_nobody_else() -> None:
    policy = page().headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "http" not in policy
    assert "connect-src 'self'" in policy


@pytest.mark.parametrize("name", [docs_page.START, *docs_page.ASSETS])
def test_its_files_may_be_kept(name: str) -> None:
    answer = asset(name)
    assert answer.status == 200
    assert len(answer.body) > 50
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_fits_into_an_answer_of_lambda() -> None:
    """6 MB; each byte of a text may take two in JSON."""
    assert all(len(asset(name).body) < 3_000_000 for name in docs_page.ASSETS)


@pytest.mark.parametrize("name", ["redoc.standalone.js", "../core.py", "core.py", "\ud800"])
def test_there_is_nothing_else(name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        asset(name)
    assert caught.value.reference == "route-unknown"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_page, "find_spec", lambda _name: None)
    with pytest.raises(NotFoundError) as caught:
        page()
    assert caught.value.reference == "docs-missing"
    assert "pip install fastapi-offline" in caught.value.hint
