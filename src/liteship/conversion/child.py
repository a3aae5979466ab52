"""Runs a child process of a conversion, and turns its death into an error that names the stage."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from liteship.conversion.workers.conversation import failure_from
from liteship.errors import ConversionError, LiteshipError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Progress = Callable[[str, int, int], None]

STAGES = {
    "load": "loading the source model",
    "float": "converting to float TFLite",
    "compare": "running the source model",
    "fine-tune": "fine-tuning",
    "calibrate": "calibrating",
    "quantize": "quantizing",
    "layers": "comparing layer by layer",
}
"""What a person reads for each stage that a child reports."""

_WATCH_S = 0.1
_RECURRENT = (
    "if the model has LSTM or GRU layers, build them with unroll=True: "
    "LiteRT's calibration crashes in the loops that they are otherwise"
)


class Child:
    """One child process, which does one order after the other; a context manager that ends it.

    Args:
        module: Module of `liteship.conversion.workers` to run.
        python: Interpreter to run it with; None for this one.
        log: File for what the child's libraries print.
        progress: Called with the stage (a key of `STAGES`), steps done and steps in all.
        memory_limit_mib: Resident memory at which the child is ended.
        stage_timeout_s: Time without a word from the child after which it is ended.
    """

    def __init__(
        self,
        module: str,
        *,
        python: str | None,
        log: Path,
        progress: Progress,
        memory_limit_mib: int,
        stage_timeout_s: float,
    ) -> None:
        self._log = log
        self._progress = progress
        self._memory_limit_mib = memory_limit_mib
        self._stage_timeout_s = stage_timeout_s
        self._stage = "load"
        self._heard: float | None = None  # when the child said something; None while it has no order
        self._verdict: ConversionError | None = None
        self._command = [python or sys.executable, "-m", f"liteship.conversion.workers.{module}"]

    def __enter__(self) -> Self:
        package_folder = str(Path(__file__).parents[2])
        environment = os.environ | {
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONUNBUFFERED": "1",
            # An arena a thread keeps what it freed: 150 MB at MobileNetV2's conversion
            # (https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html)
            "MALLOC_ARENA_MAX": "1",
            # For environments that hold a converter but not liteship; last, so as to hide nothing there
            "PYTHONPATH": os.pathsep.join(
                filter(None, [os.environ.get("PYTHONPATH", ""), package_folder])
            ),
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._watching.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # an order that the dead child did not read
                    pipe.close()

    def ask(self, order: str, **fields: object) -> dict[str, Any]:
        """Has the child do one thing.

        Args:
            order: Its name.
            fields: What the child must know for it; JSON-ready.

        Returns:
            The child's result.

        Raises:
            ConversionError: `conversion-crashed`, `conversion-memory` or `conversion-hangs`.
            LiteshipError: What the child reports.
        """
        requests: IO[str] = self._process.stdin  # type: ignore[assignment]
        answers: IO[str] = self._process.stdout  # type: ignore[assignment]
        self._heard = time.monotonic()
        try:
            requests.write(json.dumps({"order": order, **fields}) + "\n")
            requests.flush()
        except BrokenPipeError:
            raise self._death() from None
        for line in answers:
            self._heard = time.monotonic()
            message = json.loads(line)
            if "failure" in message:
                raise failure_from(message["failure"])
            if "result" in message:
                self._heard = None
                result: dict[str, Any] = message["result"]
                return result
            self._stage = message["stage"]
            self._progress(self._stage, message["done"], message["of"])
        raise self._death()

    def _watch(self) -> None:
        """Ends a child that takes too much memory, or says nothing for too long."""
        while self._process.poll() is None:
            used_mib = _resident_mib(self._process.pid)
            silent_s = 0 if self._heard is None else time.monotonic() - self._heard
            if used_mib > self._memory_limit_mib:
                self._verdict = ConversionError(
                    "conversion-memory",
                    f"the converter took too much memory while {STAGES[self._stage]}",
                    expected=f"at most {self._memory_limit_mib} MiB",
                    received=f"{used_mib} MiB",
                    hint="raise --memory-limit-mib, or convert on a machine with more memory",
                )
            elif silent_s > self._stage_timeout_s:
                self._verdict = ConversionError(
                    "conversion-hangs",
                    f"the converter hangs while {STAGES[self._stage]}",
                    expected=f"progress within {self._stage_timeout_s:g} s",
                    received=f"none for {silent_s:.0f} s",
                    hint="raise --stage-timeout-s if the model may need that long",
                )
            if self._verdict is not None:
                self._process.kill()
                return
            time.sleep(_WATCH_S)

    def _death(self) -> LiteshipError:
        code = self._process.wait()
        self._watching.join()
        if self._verdict is not None:
            return self._verdict
        hint = "look at the lines above; if memory ran out, convert on a larger machine"
        if code == -signal.SIGSEGV and self._stage == "calibrate":
            hint = _RECURRENT
        return ConversionError(
            "conversion-crashed",
            f"the converter died while {STAGES[self._stage]} ({_describe(code)})",
            problems=self._log.read_text(errors="replace").splitlines()[-5:],
            hint=hint,
        )


def available_mib() -> int:
    """Memory that processes can take without swapping, in MiB: Linux' estimate, or the cgroup's."""
    found = [
        int(line.split()[1]) // 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    ]
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        found.append(int(text) // 2**20)
    return min(found)


def _resident_mib(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):  # it ended meanwhile
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 2**20


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
    return f"signal {names.get(-code, -code)}"
