"""A server in a session of its own: what it and its children cost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIRST_PORT = 12_000
"""Below the ephemeral ports, of which a client that waits for a server may connect to itself."""

PORTS = 8_000
RETRY_S = 0.002
"""Until the next question whether a server listens."""

_CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ports = iter(range(FIRST_PORT + os.getpid() % PORTS, FIRST_PORT + 2 * PORTS))


class Command(NamedTuple):
    """How a server is started.

    Args:
        arguments: The program, and what it is called with; `{port}` and `{second_port}` stand for
            free ones.
        folder: Working directory.
        environment: Beside the variables of this process; with ports, too.
    """

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]


class Running:
    """A server that was started.

    Args:
        process: The first process of its session.
        port: Where it listens, or will.
        log: What it wrote.
        started_s: When, by `time.perf_counter`.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: Path, started_s: float
    ) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.started_s = started_s

    def cpu_ms(self) -> float:
        """CPU time so far, of the whole family and of children that have ended."""
        return family_cpu_ms(self.process.pid)

    def peak_mib(self) -> float:
        """Most memory that was resident, summed over the family that lives now."""
        return sum(_peak_kib(pid) for pid in family(self.process.pid)) / 1024

    def wait(self, patience_s: float) -> None:
        """Returns as soon as it listens.

        Raises:
            SystemExit: It ended, or does not within so many seconds.
        """
        while self.process.poll() is None and time.perf_counter() - self.started_s < patience_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), patience_s).close()
            except OSError:
                time.sleep(RETRY_S)
            else:
                return
        raise self.fail("it did not start")

    def fail(self, why: str) -> SystemExit:
        """What ends the program, with the end of the server's log."""
        said = self.log.read_text(errors="replace")[-2000:]
        return SystemExit(f"{self.process.args!r}: {why}\n{said}")


@contextlib.contextmanager
def start(command: Command, log: Path) -> Iterator[Running]:
    """Starts a server with a PORT of its own, and ends its whole family."""
    port = next(_ports)
    ports = {"{port}": str(port), "{second_port}": str(next(_ports))}

    def filled(text: str) -> str:
        for name, number in ports.items():
            text = text.replace(name, number)
        return text

    own = {name: filled(value) for name, value in command.environment.items()}
    environment = {**os.environ, **own, "PORT": str(port)}
    with log.open("wb") as output:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [filled(each) for each in command.arguments],
            cwd=command.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Running(process, port, log, started_s)
    try:
        yield running
    finally:
        for pid in family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def family(root: int) -> set[int]:
    """A process and its descendants, of whatever session, and what else is of its session."""
    processes = list(_processes())
    found = {pid for pid, _, session in processes if root in {pid, session}}
    while more := {pid for pid, parent, _ in processes if parent in found} - found:
        found |= more
    return found


def family_cpu_ms(root: int) -> float:
    """CPU time so far of a process's family, and of its children that have ended."""
    return sum(_cpu_ms(pid) for pid in family(root))


def folder_bytes(folder: Path) -> int:
    """What the files below a folder hold, byte code left out: it is made where they run."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    )


def _processes() -> Iterator[tuple[int, int, int]]:
    """Every process, its parent and its session, from /proc.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = _stat(folder.name)
            yield int(folder.name), int(fields[1]), int(fields[3])


def _stat(pid: int | str) -> list[str]:
    """The fields after the name of the program."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_ms(pid: int) -> float:
    """Of its threads, also those that ended, to the nanosecond; of its ended children by ticks."""
    with contextlib.suppress(OSError):
        fields = _stat(pid)
        children_s = (int(fields[13]) + int(fields[14])) * _CLOCK_TICK_S
        # clock_getcpuclockid(3) of another process: ~pid << 3, and 2 for what the scheduler counted
        return (time.clock_gettime(~pid << 3 | 2) + children_s) * 1e3
    return 0.0


def _peak_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
