"""Whatever a caller sends: no answer is a 500, and every refusal says what to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tests.conftest import ROOT
from tests.fuzz.asking import requests, strict_json
from tests.fuzz.budget import fuzz

from liteship import Function
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.artifact import Manifest
    from liteship.runtime.http import Request

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of much that is odd

LARGEST_REFUSAL_BYTES = 8 * 1024
"""What a caller sent is quoted in part only: logs hold every refusal."""


@pytest.fixture(scope="module")
def functions() -> dict[str, tuple[Function, Manifest]]:
    """A model of pictures, and one of rows."""
    loaded = {name: load(name) for name in ("digits", "wine")}
    return {name: (each, each.require_predictor().manifest) for name, each in loaded.items()}


def load(name: str) -> Function:
    environ = {"LITESHIP_MAX_PIXELS": "100000", "LITESHIP_MAX_BODY_BYTES": "1000000"}
    return Function(str(ROOT / "functions" / name / "app.py"), environ=environ)


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """What every answer has to be."""
    assert 200 <= status < 600
    assert status != 500, body
    for name, value in headers.items():
        assert name.islower()
        assert value.encode("latin-1").isascii()
        assert value.isprintable(), "a line break would begin a header of the caller's own"
    if status >= 400:
        assert headers["content-type"] == "application/json"
        content = strict_json(body)
        assert content.keys() >= {"error", "reference", "hint", "request_id"}
        assert len(body) <= LARGEST_REFUSAL_BYTES
    elif status == 200 and headers["content-type"] == "application/json":
        strict_json(body)


@fuzz(0.22)
@given(st.data(), st.sampled_from(("digits", "wine")))
def test_any_request(functions: dict[str, tuple[Function, Manifest]], data: Any, name: str) -> None:
    function, manifest = functions[name]
    request: Request = data.draw(requests(manifest))
    note(
        f"{request.method} {request.path!r} ?{request.query!r} {request.headers} {request.body[:500]!r}"
    )
    response = answer(function, request)
    if response is None:  # not on the short list
        return
    check(response.status, response.headers, response.body)
    assert response.headers["content-length"] == str(len(response.body))
    assert response.headers["x-request-id"] == request.request_id
