"""`/docs` in a real browser, without internet: from the HTTP server, and from Lambda behind a stage."""

from __future__ import annotations

import asyncio
import base64
import http.server
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser import CHROMIUM, Browser

from liteship import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STAGE = "prod"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with Browser(tmp_path / "profile") as browser:
        yield browser


@pytest.fixture
def behind_a_stage(artifact_folder: Path, lambda_context: Callable[[], Any]) -> Iterator[str]:
    """An HTTP API's stage, as far as a browser sees it: its address."""
    function = Function(str(artifact_folder.parent / "app.py"), environ={})

    class Gateway(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            if not path.startswith(f"/{STAGE}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            http_context = {"method": self.command, "path": path, "sourceIp": "192.0.2.1"}
            event = {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "requestContext": {"stage": STAGE, "http": http_context},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
            answer: Any = function(event, lambda_context())
            text = answer["body"]
            content = base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  # names of http.server's

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Gateway)

    def serve() -> None:
        loop = asyncio.new_event_loop()  # Mangum would make one, and never close it
        asyncio.set_event_loop(loop)
        server.serve_forever(0.05)
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{STAGE}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["uvicorn", "lambda"])
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "lambda":
        url: str = request.getfixturevalue("behind_a_stage")
        return url
    return str(request.getfixturevalue("start_server")().url)


def test_the_page_shows_every_operation_and_asks_nobody_else(address: str, browser: Browser) -> None:
    browser.ask("Page.navigate", url=f"{address}/docs")
    count = browser.wait_for("document.querySelectorAll('.opblock').length")
    assert count >= 3
    title = browser.wait_for("document.querySelector('.info .title')?.textContent")
    assert title.startswith("digits")

    requested = browser.requested()
    assert f"{address}/docs/swagger-ui-bundle.js" in requested
    assert f"{address}/openapi.json" in requested
    assert [url for url in requested if not url.startswith(f"{address}/")] == []
    assert browser.complaints() == []


def test_try_it_out_sends_the_example_and_shows_the_answer(address: str, browser: Browser) -> None:
    browser.ask("Page.navigate", url=f"{address}/docs")
    operation = "#operations-liteship-post_predict"
    browser.click(f"{operation} .opblock-summary-control")
    browser.click(f"{operation} .try-out__btn")
    browser.click(f"{operation} .execute")
    live = f"document.querySelector('{operation} .live-responses-table"
    assert browser.wait_for(f"{live} tbody .response-col_status')?.textContent").startswith("200")
    assert '"predictions"' in browser.wait_for(f"{live} tbody .response-col_description')?.textContent")
    assert [url for url in browser.requested() if url.endswith("/predict")] == [f"{address}/predict"]
    assert browser.complaints() == []
