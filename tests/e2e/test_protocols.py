"""One list of requests to a process, to the image and to the zip package, as a server and on Lambda.

All answer alike, in every protocol. tests/integration/test_http_both_ways.py sends the same list
through every way inside the process.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
from tests import wine_cases
from tests.clients import run_driver
from tests.http_cases import ENVIRON, Answer, Case, event_v2, from_lambda, over_http
from tests.protocol_cases import CASES

from liteship.deploy.local.emulator import LambdaEmulator, invoke, package_for_here
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image
    from tests.e2e.conftest import Container

    Ways = dict[str, Callable[[Case], Answer]]

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def emulated_zip(name: str) -> Iterator[LambdaEmulator]:
    """As `liteship emulate` runs it."""
    function = load_function(name, ROOT)
    with LambdaEmulator(function, package_for_here(function), environment=ENVIRON) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def process_url(start_server: Callable[..., Any]) -> str:
    """The server of the checkout."""
    url: str = start_server(**ENVIRON).url
    return url


@pytest.fixture(scope="module")
def ways(process_url: str, server: Container, emulated: Container) -> Iterator[Ways]:
    with emulated_zip("digits") as emulator:
        yield {
            "uvicorn": lambda case: over_http(process_url, case),
            "Docker": lambda case: over_http(server.url, case),
            "emulator, image": lambda case: from_lambda(invoke(emulated.url, event_v2(case))),
            "emulator, zip": lambda case: from_lambda(emulator.invoke(event_v2(case))),
        }


def check(case: Case, ways: Ways) -> Answer:
    """Asks every way; gives one of the answers, which are all alike."""
    answers = {way: ask(case) for way, ask in ways.items()}
    first = next(iter(answers.values()))
    assert first.status == case.status, first.body
    if case.reference is not None:
        assert json.loads(first.body)["reference"] == case.reference
    for way, answer in answers.items():
        assert answer.comparable() == first.comparable(), way
    return first


@pytest.mark.parametrize("name", CASES)
def test_everywhere_the_same_answer(name: str, ways: Ways, digit_picture: Image.Image) -> None:
    check(CASES[name](digit_picture), ways)


@pytest.fixture(scope="module")
def wine_ways(start_server: Callable[..., Any]) -> Iterator[Ways]:
    url = start_server(ROOT / "functions" / "wine", **ENVIRON).url
    with emulated_zip("wine") as emulator:
        yield {
            "uvicorn": lambda case: over_http(url, case),
            "emulator, zip": lambda case: from_lambda(emulator.invoke(event_v2(case))),
        }


@pytest.mark.parametrize("name", wine_cases.CASES)
def test_everywhere_the_same_answer_of_wines(name: str, wine_ways: Ways) -> None:
    answer = check(wine_cases.CASES[name], wine_ways)
    if name in wine_cases.PREDICTIONS:
        assert wine_cases.labels(answer) == wine_cases.WINES


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_finds_everywhere_whatever_it_loads(path: str, ways: Ways) -> None:
    page = check(Case(method="GET", path=path), ways).body.decode()
    found = re.findall(r"""(?:<script[^>]* src|<link[^>]* href|<img[^>]* src)=["']([^"']+)""", page)
    paths = [urljoin(path, each) for each in found if not each.startswith("data:")]
    assert bool(paths) == (path == "/docs")  # the other carries all it needs
    for each in paths:
        assert check(Case(method="GET", path=each), ways).body


@pytest.mark.parametrize(
    "driver", [("triton_driver.py", "sync"), ("triton_driver.py", "aio"), ("kserve_driver.py",)]
)
def test_unmodified_clients_are_told_the_same_by_the_container(
    driver: tuple[str, ...],
    process_url: str,
    server: Container,
    digit_picture: Image.Image,
    digit_png: bytes,
) -> None:
    """What they are told by a process, tests/integration/protocols proves."""
    name, *arguments = driver
    told = []
    for url in (process_url, server.url):
        place = url.removeprefix("http://") if name == "triton_driver.py" else url
        line = run_driver(name, place, digit_picture, digit_png, *arguments)
        told.append(json.loads(line.replace(url, "")))
    assert told[0]["answers"]
    assert told[1] == told[0]
