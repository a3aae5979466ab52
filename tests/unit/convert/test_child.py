from __future__ import annotations

import signal

import pytest

from liteship import errors
from liteship.convert.child import STAGES, _describe
from liteship.convert.worker import failure_from


def test_an_end_is_described() -> None:
    assert _describe(3) == "exit code 3"
    assert _describe(-signal.SIGKILL) == "signal SIGKILL"
    assert _describe(-signal.SIGSEGV) == "signal SIGSEGV"
    assert _describe(-(signal.SIGRTMIN + 3)) == f"signal {signal.SIGRTMIN + 3}"


def test_every_stage_reads_as_a_persons_words() -> None:
    assert all(words.split()[0].endswith("ing") for words in STAGES.values())


@pytest.mark.parametrize(
    "error",
    [
        errors.SourceModelError("a", "m", hint="h"),
        errors.CalibrationError("b", "m", hint="h", expected="e", received="r", problems=["p", "q"]),
    ],
)
def test_an_error_survives_the_way_out_of_the_child(error: errors.LiteshipError) -> None:
    received = failure_from({"family": type(error).__name__, **error.as_dict()})
    assert type(received) is type(error)
    assert received.as_dict() == error.as_dict()
    assert str(received) == str(error)
