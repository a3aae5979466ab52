"""`liteship event`, alone and as one end of a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liteship.deploy.local.events import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run() -> Run:
    def run(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "liteship", *map(str, arguments)],
            cwd=ROOT,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_printed_as_json(kind: Kind, run: Run) -> None:
    printed = run("event", kind)
    assert printed.returncode == 0, printed.stderr
    assert isinstance(json.loads(printed.stdout), dict)
    assert run("event", kind, "--json").stdout == printed.stdout


def test_an_event_goes_through_a_pipe_into_a_function(
    run: Run, tmp_path: Path, digit_png: bytes
) -> None:
    picture = tmp_path / "seven.png"
    picture.write_bytes(digit_png)
    event = run("event", "http", "--body", picture).stdout
    answer = json.loads(run("invoke", "digits", "--event", "-", given=event).stdout)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["predictions"][0]["label"] == "7"


@pytest.mark.parametrize(
    ("arguments", "given", "code", "reference"),
    [
        (("event", "http", "--body", "gone.png"), "", 12, "file-unreadable"),
        (("event", "http", "--key", "k"), "", 3, "event-option"),
        (("invoke", "digits", "--event", "-"), "{", 12, "event-json"),
        (("invoke", "digits", "--event", "-"), "", 12, "event-json"),
    ],
)
def test_mistakes_are_told(
    arguments: tuple[str, ...], given: str, code: int, reference: str, run: Run
) -> None:
    result = run(*arguments, "--json", given=given)
    assert result.returncode == code
    assert json.loads(result.stdout)["reference"] == reference


@pytest.mark.parametrize("arguments", [("nope",), (), ("s3", "--count", "0")])
def test_what_cannot_be_parsed_is_a_usage_error(arguments: tuple[str, ...], run: Run) -> None:
    result = run("event", *arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
