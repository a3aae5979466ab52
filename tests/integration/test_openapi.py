"""What the OpenAPI document promises, the function keeps: examples are sent, answers are checked."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.conftest import DIGITS, ROOT, copy_function, copy_version

from liteship import Function
from liteship.project import read_config
from liteship.runtime.http_event import http_event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    Json = dict[str, Any]
    Ask = Callable[[str, str, bytes, dict[str, str]], tuple[int, dict[str, str], bytes]]

FUNCTIONS = Path(__file__).parents[2] / "functions"


PIPELINE = """
[pipelines.both]
steps = ["features", "classifier"]
default = true
"""
HOOK = """
from liteship import Function
from liteship.errors import InputError, UnsupportedMediaError
def preprocess(body, content_type):
    if content_type.startswith("text/"):
        raise UnsupportedMediaError("hook-type", "the hook reads no text", hint="send pixels")
    if len(body) != 64:
        raise InputError("hook-size", "the hook reads 64 bytes", hint="send 8 x 8 pixels")
    return {"image": body}
handler = Function(__file__, preprocess=preprocess)
"""


@pytest.fixture(scope="module", params=["digits", "wine", "shapes", "a pipeline", "a hook"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if (FUNCTIONS / request.param).is_dir():
        return FUNCTIONS / str(request.param)
    folder = tmp_path_factory.mktemp("functions") / "digits"
    copy_function(folder)
    settings = (DIGITS / "function.toml").read_text()
    if request.param == "a hook":
        (folder / "app.py").write_text(HOOK)
    else:
        shutil.rmtree(folder / "model")
        copy_version(DIGITS / "model", folder / "model" / "digits" / "1")
        for name in ("features", "classifier"):
            shutil.copytree(ROOT / "tests" / "data" / "pipeline" / name, folder / "model" / name)
        settings += f"\n[models]\n{PIPELINE}"
    (folder / "function.toml").write_text(settings)
    return folder


@pytest.fixture(scope="module", params=["lambda", "uvicorn"])
def ask(
    request: pytest.FixtureRequest,
    folder: Path,
    start_server: Callable[..., Any],
    lambda_context: Callable[[], Any],
    loop: asyncio.AbstractEventLoop,
) -> Ask:
    environ = read_config(folder / "function.toml").environment()
    if request.param == "uvicorn":
        server = start_server(folder, **environ)

        def ask_server(
            method: str, path: str, body: bytes, headers: dict[str, str]
        ) -> tuple[int, dict[str, str], bytes]:
            url = server.url + path
            answer = httpx.request(method, url, content=body, headers=headers, trust_env=False)
            return answer.status_code, dict(answer.headers), answer.content

        return ask_server
    function = Function(str(folder / "app.py"), environ=environ)

    def ask_lambda(
        method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        event = http_event(method, path, body, headers.get("content-type", ""))
        answer: Any = function(event, lambda_context())
        text = answer["body"]
        content = base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()
        return answer["statusCode"], answer["headers"], content

    return ask_lambda


@pytest.fixture(scope="module")
def document(ask: Ask) -> Json:
    status, _, content = ask("GET", "/openapi.json", b"", {})
    assert status == 200
    found: Json = json.loads(content)
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Each operation as method, path, and description, but for those whose path has no example.

    No label is served by a function that names none.
    """
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            path = template
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and "example" in parameter:
                    value = quote(str(parameter["example"]), safe="")
                    path = path.replace(f"{{{parameter['name']}}}", value)
            if "{" not in path:
                yield method.upper(), path, operation


def examples(operation: Json) -> Iterator[tuple[str, bytes]]:
    """Each example of a body: its content type, and its bytes."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        values = [each["value"] for each in content.get("examples", {}).values()]
        if "example" in content:
            values.append(content["example"])
        for value in values:
            is_json = media_type == "application/json"
            yield media_type, (json.dumps(value) if is_json else value).encode()


def check(document: Json, operation: Json, status: int, headers: dict[str, str], body: bytes) -> None:
    """The answer is a 200 as the document describes it."""
    assert status == 200, body
    described = operation["responses"]["200"]
    content = described["content"][headers["content-type"].partition(";")[0]]
    for name, header in described["headers"].items():
        assert name in headers or not header.get("required")
    if headers["content-type"] == "application/json":
        schema = content["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(json.loads(body))


def test_every_example_works_when_it_is_sent(ask: Ask, document: Json) -> None:
    sent = 0
    for method, path, operation in operations(document):
        for media_type, body in examples(operation):
            if media_type == "application/json":
                value = json.loads(body)
                schema = operation["requestBody"]["content"][media_type]["schema"]
                Draft202012Validator(schema).validate(value)
            check(document, operation, *ask(method, path, body, {"content-type": media_type}))
            sent += 1
    assert sent >= 1


def test_every_question_is_answered_as_described(ask: Ask, document: Json) -> None:
    asked = [
        (method, path, operation) for method, path, operation in operations(document) if method == "GET"
    ]
    assert len(asked) >= 2
    has_example = any(examples(document["paths"]["/predict"]["post"]))
    for method, path, operation in asked:
        status, headers, content = ask(method, path, b"", {})
        if path == "/model/example" and not has_example:
            assert (status, json.loads(content)["reference"]) == (404, "example-none")
        else:
            check(document, operation, status, headers, content)


def test_every_error_is_described(ask: Ask, document: Json) -> None:
    error = document["components"]["schemas"]["Error"]
    for content_type, body, status in (
        ("application/json", b"{", 400),
        ("application/json", b'{"inputs": [[1], [1, 2]]}', 400),
        ("application/octet-stream", bytes(20_000_000), 413),
        ("text/markdown", b"#", 415),
    ):
        answered, _, content = ask("POST", "/predict", body, {"content-type": content_type})
        assert answered == status
        assert str(status) in document["paths"]["/predict"]["post"]["responses"]
        Draft202012Validator(error).validate(json.loads(content))
