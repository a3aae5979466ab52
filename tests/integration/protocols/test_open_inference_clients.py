"""The Open Inference Protocol's own clients against a real server, in the environment `.tools/clients`.

Unmodified, in processes of their own; what they are told is what `/predict` says of the same picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.clients import ask_driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


@pytest.fixture(scope="module")
def url(start_server: Callable[..., Any]) -> str:
    server_url: str = start_server().url
    return server_url


@pytest.fixture(scope="module")
def best(url: str, digit_png: bytes) -> dict[str, float]:
    """The scores of the best labels, as `/predict` gives them."""
    headers = {"content-type": "image/png"}
    answer = httpx.post(f"{url}/predict", content=digit_png, headers=headers, trust_env=False)
    return {each["label"]: each["score"] for each in answer.json()["predictions"]}


@pytest.fixture(scope="module")
def ask(digit_png: bytes, digit_picture: Image.Image) -> Callable[..., dict[str, Any]]:
    """Runs a driver; gives what it was told."""
    return lambda name, url, *more: ask_driver(name, url, digit_picture, digit_png, *more)


def check_scores(answers: dict[str, list[list[float]]], best: dict[str, float]) -> None:
    for name, items in answers.items():
        is_two = any(word in name for word in ("two items", "pictures", "BYTES"))
        assert len(items) == (2 if is_two else 1), name
        for scores in items:
            assert len(scores) == 10, name
            assert {label: scores[int(label)] for label in best} == best, name
            assert max(scores) == max(best.values()), name


@pytest.mark.parametrize("way", ["sync", "aio"])
def test_tritonclient(
    way: str, url: str, best: dict[str, float], ask: Callable[..., dict[str, Any]]
) -> None:
    told = ask("triton_driver.py", url.removeprefix("http://"), way)
    answers = told["answers"]
    classes = {name: answers.pop(name) for name in [*answers] if name.startswith("classes")}
    assert len(answers) == 2 * 6 * 3 + 4 + 1
    check_scores(answers, best)
    assert len(classes) == 4
    for name, items in classes.items():
        want = [f"{score}:{label}:{label}" for label, score in best.items()]
        assert items == [want] * (2 if "two" in name else 1), name

    ready = {name: told[name] for name in told if name.endswith(("live", "ready"))}
    assert ready == {
        "live": True,
        "ready": True,
        "model ready": True,
        "version ready": True,
        "other ready": False,
    }
    assert told["server"]["name"] == "liteship"
    assert told["model"] == told["version"]
    assert told["model"]["inputs"][0]["shape"] == [-1, 8, 8, 1]
    assert told["refusals"] == {
        "model": ["404", "this function does not serve that model"],
        "version": ["404", "this function does not serve that version"],
        "datatype": ["400", "input image cannot be sent in this datatype"],
    }


def test_kserve(url: str, best: dict[str, float], ask: Callable[..., dict[str, Any]]) -> None:
    told = ask("kserve_driver.py", url)
    answers = told.pop("answers")
    assert len(answers) == 2 * 4 + 2 * 3 + 4
    check_scores(answers, best)
    refused = told.pop("refused")
    assert refused.startswith("this function does not serve that model, '404 Not Found'")
    assert told == {"live": True, "ready": True, "model ready": True, "other ready": False}
