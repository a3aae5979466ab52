"""A stage of an HTTP API in front of a Lambda handler, as far as a browser sees it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship import Function

STAGE = "prod"
GATEWAY_BYTES = 10 * 1024 * 1024
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""
GATEWAY_REFUSAL = b'{"message":"Request Entity Too Large"}'


@contextlib.contextmanager
def serve_stage(function: Function, lambda_context: Callable[[], Any]) -> Iterator[str]:
    """Hands requests to the handler one after another; gives the address that the stage is below."""
    one_at_a_time = threading.Lock()

    class Gateway(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            if path.partition("/")[2].partition("/")[0] != STAGE:
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if len(body) > GATEWAY_BYTES:
                self.send(413, {"content-type": "application/json"}, GATEWAY_REFUSAL)
                return
            http_context = {"method": self.command, "path": path, "sourceIp": "192.0.2.1"}
            event = {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": {name.lower(): each for name, each in self.headers.items()},
                "requestContext": {"stage": STAGE, "http": http_context},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
            with one_at_a_time, _event_loop():
                answer: Any = function(event, lambda_context())
            content = answer["body"].encode()
            if answer["isBase64Encoded"]:
                content = base64.b64decode(content)
            self.send(answer["statusCode"], answer["headers"], content)

        def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  # names of http.server's

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def _event_loop() -> Iterator[None]:
    """The thread's: Mangum takes the one that is set, or makes one and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)
