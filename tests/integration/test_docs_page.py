"""`/docs` in a real browser, without internet: from the HTTP server, and from Lambda behind a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stage import STAGE, serve_stage

from liteship import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.browser import Browser


@pytest.fixture
def behind_a_stage(artifact_folder: Path, lambda_context: Callable[[], Any]) -> Iterator[str]:
    """The address of a stage of an HTTP API."""
    function = Function(str(artifact_folder.parent / "app.py"), environ={})
    with serve_stage(function, lambda_context) as url:
        yield f"{url}/{STAGE}"


@pytest.fixture(params=["uvicorn", "lambda"])
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "lambda":
        url: str = request.getfixturevalue("behind_a_stage")
        return url
    return str(request.getfixturevalue("start_server")().url)


def test_the_page_shows_every_operation_and_asks_nobody_else(address: str, browser: Browser) -> None:
    with browser.open(f"{address}/docs") as page:
        page.wait_for("document.querySelectorAll('.opblock').length >= 3")
        page.wait_for("document.querySelector('.info .title')")
        assert page.text(".info .title").startswith("digits")
        requested = page.requests()
        assert f"{address}/docs/swagger-ui-bundle.js" in requested
        assert f"{address}/openapi.json" in requested
        assert [url for url in requested if not url.startswith((f"{address}/", "data:"))] == []
        assert page.complaints() == []


def test_try_it_out_sends_the_example_and_shows_the_answer(address: str, browser: Browser) -> None:
    operation = "#operations-liteship-post_predict"
    answer = f"{operation} .live-responses-table tbody"
    with browser.open(f"{address}/docs") as page:
        page.click(f"{operation} .opblock-summary-control")
        page.click(f"{operation} .try-out__btn")
        page.click(f"{operation} .execute")
        page.wait_for(f"document.querySelector('{answer} .response-col_status')")
        assert page.text(f"{answer} .response-col_status").startswith("200")
        assert '"predictions"' in page.text(f"{answer} .response-col_description")
        assert [url for url in page.requests() if url.endswith("/predict")] == [f"{address}/predict"]
        assert page.complaints() == []
