from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship import Function

    Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(make_function: Callable[..., Function], digit_png: bytes) -> Ask:
    """Asks for the prediction of a seven, or for another path."""
    function = make_function()

    def send(
        query: str = "", method: str = "POST", path: str = "/predict"
    ) -> tuple[int, dict[str, Any]]:
        headers = {"content-type": "image/png"}
        response = answer(function, Request(method, path, headers, digit_png, "id", query))
        assert response is not None
        return response.status, json.loads(response.body)

    return send


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 3),
        ("top=1", 1),
        ("top=007", 7),
        ("top=11", 10),
        (f"top={'9' * 5000}", 10),
        ("top=2&top=4", 4),
    ],
)
def test_top_is_how_many_labels_are_answered(query: str, expected: int, ask: Ask) -> None:
    status, content = ask(query)
    assert status == 200
    scores = [each["score"] for each in content["predictions"]]
    assert len(scores) == expected
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("top", ["", "0", "000", "-1", "+1", "1.0", "1e3", " 1", "five", "²", "٣"])
def test_top_is_a_whole_number_from_1_on(top: str, ask: Ask) -> None:
    status, content = ask(f"top={quote(top)}")
    assert (status, content["reference"]) == (400, "top-invalid")


@pytest.mark.parametrize(
    "query", ["model=digits", "version=1", "model=digits&version=1&label=", "model="]
)
def test_the_model_may_be_named(query: str, ask: Ask) -> None:
    assert ask(query)[0] == 200
    assert ask(query, "GET", "/model")[0] == 200


@pytest.mark.parametrize("path", ["/predict", "/model"])
@pytest.mark.parametrize(
    ("query", "status", "reference"),
    [
        ("model=other", 404, "model-unknown"),
        ("model=../digits", 404, "model-unknown"),
        ("version=2", 404, "version-unknown"),
        ("label=canary", 404, "label-unknown"),
        ("version=1&label=canary", 400, "version-ambiguous"),
        ("&".join(f"a{index}=" for index in range(101)), 400, "query-invalid"),
    ],
)
def test_another_model_is_not_found(
    path: str, query: str, status: int, reference: str, ask: Ask
) -> None:
    answered, content = ask(query, "POST" if path == "/predict" else "GET", path)
    assert (answered, content["reference"]) == (status, reference)


def test_the_manifest_without_its_golden_outputs(
    make_function: Callable[..., Function], ask: Ask
) -> None:
    manifest = make_function().require_predictor().manifest.as_dict()
    assert manifest.pop("golden")
    assert ask("", "GET", "/model") == (200, manifest)
