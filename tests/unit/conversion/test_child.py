from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from liteship.conversion.child import STAGES, Child, _describe, available_mib
from liteship.errors import CalibrationError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A child of the real module's form, whose orders are to misbehave
CHILD = """
import os, signal, time
from liteship.conversion.workers.conversation import answer_orders
from liteship.errors import CalibrationError

def eat(request, progress):
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1) * (8 << 20)))
        progress("float", len(kept))
        time.sleep(0.02)

def sleep(request, progress):
    progress("calibrate")
    time.sleep(60)

def die(request, progress):
    progress(request["stage"])
    print("the last words")
    os.kill(os.getpid(), request["signal"])

def refuse(request, progress):
    raise CalibrationError("data-bad", "the data is bad", hint="mend it", problems=["a", "b"])

def fail(request, progress):
    raise MemoryError

def echo(request, progress):
    progress("quantize", 1, 2)
    return {"said": request["said"]}

answer_orders({each.__name__: each for each in (eat, sleep, die, refuse, fail, echo)})
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    script = tmp_path / "misbehaving.py"
    script.write_text(CHILD)
    made = Child(
        "export",
        python=None,
        log=tmp_path / "child.log",
        progress=lambda *told: TOLD.append(told),
        memory_limit_mib=200,
        stage_timeout_s=1.5,
    )
    made._command[1:] = [str(script)]
    TOLD.clear()
    with made:
        yield made
    assert made._process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(made._process.pid, 0)


TOLD: list[Any] = []


def test_orders_are_answered_one_after_the_other(child: Child) -> None:
    assert child.ask("echo", said="a") == {"said": "a"}
    time.sleep(2)  # longer than a child may be silent: it has no order
    assert child.ask("echo", said="b") == {"said": "b"}
    assert TOLD == [("quantize", 1, 2)] * 2


def test_a_child_that_takes_too_much_memory_is_ended(child: Child) -> None:
    with pytest.raises(ConversionError) as raised:
        child.ask("eat")
    assert raised.value.reference == "conversion-memory"
    assert STAGES["float"] in raised.value.message
    assert raised.value.expected == "at most 200 MiB"
    assert int(str(raised.value.received).split()[0]) > 200


def test_a_child_that_hangs_is_ended(child: Child) -> None:
    with pytest.raises(ConversionError) as raised:
        child.ask("sleep")
    assert raised.value.reference == "conversion-hangs"
    assert STAGES["calibrate"] in raised.value.message


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_death_names_the_stage_and_the_last_lines(child: Child, number: signal.Signals) -> None:
    with pytest.raises(ConversionError) as raised:
        child.ask("die", stage="float", signal=number)
    assert raised.value.reference == "conversion-crashed"
    assert STAGES["float"] in raised.value.message
    assert number.name in raised.value.message
    assert "the last words" in raised.value.problems
    with pytest.raises(ConversionError):
        child.ask("echo", said="anything")


def test_a_crash_while_calibrating_tells_of_recurrent_layers(child: Child) -> None:
    with pytest.raises(ConversionError) as raised:
        child.ask("die", stage="calibrate", signal=signal.SIGSEGV)
    assert "unroll=True" in raised.value.hint


def test_what_the_child_refuses_is_raised_here(child: Child) -> None:
    with pytest.raises(CalibrationError) as raised:
        child.ask("refuse")
    assert (raised.value.reference, raised.value.problems) == ("data-bad", ("a", "b"))


def test_memory_that_python_cannot_get_is_told(child: Child) -> None:
    with pytest.raises(ConversionError) as raised:
        child.ask("fail")
    assert raised.value.reference == "conversion-memory"


def test_there_is_memory() -> None:
    assert 100 < available_mib() < 2**24


def test_an_end_is_described() -> None:
    assert _describe(3) == "exit code 3"
    assert _describe(-signal.SIGKILL) == "signal SIGKILL"
    assert _describe(-signal.SIGSEGV) == "signal SIGSEGV"
    assert _describe(-(signal.SIGRTMIN + 3)) == f"signal {signal.SIGRTMIN + 3}"


def test_every_stage_reads_as_a_persons_words() -> None:
    assert all(words.split()[0].endswith("ing") for words in STAGES.values())
