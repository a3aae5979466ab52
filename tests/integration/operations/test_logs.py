"""`liteship logs`."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.command_line import Refused, Run
    from tests.integration.operations.conftest import Cloud


PATIENCE_S = 60


class Log:
    """The deployed function's log group."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.group = cloud.physical("DigitsLogs")
        self.function = cloud.physical("DigitsFunction")
        self.streams: set[str] = set()

    def write(self, *messages: object, age_s: float = 0, version: str = "1") -> None:
        stream = f"2026/11/22/{self.function}[{version}]{version * 32}"
        if stream not in self.streams:
            self.cloud.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)
            self.streams.add(stream)
        moment = int((time.time() - age_s) * 1000)
        events = [
            {
                "timestamp": moment,
                "message": each if isinstance(each, str) else json.dumps(each) + "\n",
            }
            for each in messages
        ]
        self.cloud.logs.put_log_events(logGroupName=self.group, logStreamName=stream, logEvents=events)


@pytest.fixture
def log(cloud: Cloud) -> Log:
    cloud.deploy()
    return Log(cloud)


@pytest.fixture
def messages(liteship: Run) -> Callable[..., list[Any]]:
    """Runs `liteship logs digits --json` with further options; gives the messages."""

    def messages(*options: str) -> list[Any]:
        result = liteship("logs", "digits", "--json", *options)
        assert result.code == 0, result.errors
        return [json.loads(line)["message"] for line in result.output.splitlines()]

    return messages


def test_lines_are_readable(log: Log, liteship: Run) -> None:
    log.write(
        "START RequestId: 1 Version: 1\n",
        {
            "level": "WARNING",
            "location": "refused:93",
            "message": "refused",
            "timestamp": "2026-11-22 18:30:00,123+0000",
            "service": "digits",
            "function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:digits",
            "status": 400,
            "error": "no [picture] at all",
        },
        {"level": "ERROR", "message": "failed", "traceback": "Traceback:\n  line 1\n"},
        {"_aws": {"CloudWatchMetrics": []}, "service": "digits", "Predictions": [1]},
    )
    lines = liteship("logs", "digits").output.splitlines()
    assert [line[24:] for line in lines[:3]] == [
        "START RequestId: 1 Version: 1",
        'WARNING refused status=400 error="no [picture] at all"',
        "ERROR   failed",
    ]
    assert lines[3:5] == ["Traceback:", "  line 1"]
    assert not any("Predictions" in line for line in lines)
    assert len(lines) == 5


def test_every_event_is_a_json_line(log: Log, liteship: Run) -> None:
    fields = {"level": "INFO", "message": "predicted", "invoke_ms": 0.1}
    metrics = {"_aws": {}, "Predictions": [1]}
    log.write("REPORT RequestId: 1\n", fields, metrics)
    found = [json.loads(line) for line in liteship("logs", "digits", "--json").output.splitlines()]
    assert [each["message"] for each in found] == ["REPORT RequestId: 1", fields, metrics]
    assert len({each["id"] for each in found}) == 3
    assert all(each["time"].endswith("+00:00") for each in found)
    assert all("[1]" in each["stream"] for each in found)


def test_all_pages_are_read(log: Log, messages: Any) -> None:
    # FilterLogEvents gives at most 10,000 events an answer
    for start in range(0, 12_000, 6000):
        log.write(*[f"event {number}" for number in range(start, start + 6000)])
    assert messages() == [f"event {number}" for number in range(12_000)]


def test_since_bounds_the_age(log: Log, messages: Any) -> None:
    for age_s in (7200, 1800, 300):
        log.write(f"{age_s} s old", age_s=age_s)
    assert messages() == ["300 s old"]
    assert messages("--since", "1h") == ["1800 s old", "300 s old"]
    assert messages("--since", "3h") == ["7200 s old", "1800 s old", "300 s old"]
    assert messages("--since", "60s") == []


def test_filter_finds_a_text(log: Log, messages: Any) -> None:
    log.write({"message": "refused", "status": 400}, {"message": "predicted"}, "refused by hand")
    assert messages("--filter", "refused") == [{"message": "refused", "status": 400}, "refused by hand"]
    assert messages("--filter", "by hand") == ["refused by hand"]
    assert messages("--filter", "nothing") == []


def test_one_version_only(log: Log, messages: Any) -> None:
    log.write("old", version="6")
    log.write("new", version="7")
    assert messages("--version", "7") == ["new"]


def test_a_log_group_that_somebody_deleted(cloud: Cloud, log: Log, refused: Refused) -> None:
    cloud.logs.delete_log_group(logGroupName=log.group)
    error = refused("logs", "digits")
    assert error["reference"] == "log-group-missing"
    assert log.group in error["error"]


@pytest.mark.parametrize("since", ["yesterday", "10", "10w", "-5m", ""])
def test_a_span_that_is_none_is_refused(cloud: Cloud, refused: Refused, since: str) -> None:
    assert refused("logs", "digits", f"--since={since}")["reference"] == "since-invalid"


class Follower:
    """A running `liteship logs --follow`, whose lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def next(self) -> Any:
        return json.loads(self.lines.get(timeout=PATIENCE_S))["message"]

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Its exit code, and what it wrote to standard error."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        assert self.process.stderr is not None
        return self.process.returncode, self.process.stderr.read()


@pytest.fixture
def follow(environment: dict[str, str], project: Path) -> Iterator[Callable[..., Follower]]:
    with contextlib.ExitStack() as stack:

        def follow(*options: str) -> Follower:
            command = [sys.executable, "-m", "liteship", "logs", "digits", "--follow", "--json"]
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, *options],
                    cwd=project,
                    env=os.environ | environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            return Follower(process)

        yield follow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_loses_nothing_and_repeats_nothing(
    log: Log, follow: Callable[..., Follower], number: signal.Signals
) -> None:
    log.write("first", "second")  # at the same millisecond
    follower = follow()
    assert [follower.next(), follower.next()] == ["first", "second"]
    log.write("third")
    assert follower.next() == "third"
    # Another copy of the function, whose stream is ingested later than a younger event's
    log.write("late", age_s=10, version="2")
    assert follower.next() == "late"
    log.write("last")
    assert follower.next() == "last"
    code, errors = follower.end(number)
    assert code == 130
    assert "Traceback" not in errors
    assert follower.lines.empty()
