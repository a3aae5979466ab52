"""What a process writes, line by line, with the time at which it came."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

TIME_FORM = "%Y-%m-%dT%H:%M:%S.%f000Z"
"""RFC 3339 with nanoseconds, as the container runtime writes it."""


class Log(threading.Thread):
    """The output of one process; `lines` grows while it runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.lines: list[tuple[datetime, str]] = []
        self.start()

    def run(self) -> None:
        """Until the process has closed its output."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                text = line.decode(errors="replace").rstrip("\n")
                self.lines.append((datetime.now(UTC), text))
