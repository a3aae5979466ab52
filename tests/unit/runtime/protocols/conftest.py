"""Functions made of the corpus of small models, and requests to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.corpus import function_of

from liteship import Function
from liteship.runtime.http import Request, Response
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Caller:
    """Asks a function over its short list."""

    def __init__(self, function: Function) -> None:
        self.function = function
        predictor = function.require_predictor()
        self.manifest = predictor.manifest
        self.url = f"/v2/models/{self.manifest.name}"

    def get(self, path: str) -> Response:
        response = answer(self.function, Request("GET", path, {}, b"", "r"))
        assert response is not None
        return response

    def post(self, body: bytes, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request("POST", f"{self.url}/infer", named, body, "r")
        response = answer(self.function, request)
        assert response is not None
        return response

    def infer(self, *inputs: dict[str, Any], tail: bytes | None = None, **more: Any) -> Any:
        """The content of a JSON answer, whatever its status; `tail` follows the JSON."""
        text = json.dumps({"inputs": inputs, **more}).encode()
        headers = {} if tail is None else {"inference_header_content_length": str(len(text))}
        return json.loads(self.post(text + (tail or b""), **headers).body)


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Caller]:
    """Serves a model of `tests/data/models`; its golden input is all zeros."""

    def serve(file: str, labels: tuple[str, ...] = (), activation: str = "none") -> Caller:
        app = function_of(file, tmp_path / file, version="3", labels=labels, activation=activation)
        return Caller(Function(str(app), environ={}))

    return serve


@pytest.fixture
def digits(artifact_folder: Path) -> Caller:
    """The digits function: pictures of 8×8, int8, labels 0-9."""
    return Caller(Function(str(artifact_folder.parent / "app.py"), environ={}))
