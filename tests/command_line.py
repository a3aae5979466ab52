"""Command lines run in this process, as `liteship` runs them."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    Run = Callable[..., "Result"]
    Refused = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """What one command line did."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)

    @property
    def lines(self) -> list[Any]:
        """Of JSON, one a line."""
        return [json.loads(line) for line in self.output.splitlines()]


def command_lines(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *first: str,
) -> Iterator[Run]:
    """For a fixture: runs command lines in a folder, each with these words first."""
    monkeypatch.chdir(folder)
    before = signal.getsignal(signal.SIGTERM)

    def liteship(*arguments: str) -> Result:
        capsys.readouterr()
        code = run([*first, *arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    yield liteship
    signal.signal(signal.SIGTERM, before)


def refusals(liteship: Run) -> Refused:
    """Runs a command line that must fail; gives the error's fields."""

    def refused(*arguments: str) -> dict[str, Any]:
        result = liteship(*arguments, "--json")
        assert result.code in {3, 11, 12}, result.output + result.errors
        assert "Traceback" not in result.errors
        fields: dict[str, Any] = result.json
        assert fields["hint"]
        return fields

    return refused
