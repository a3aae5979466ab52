"""One image under AWS' emulator with the processor and the memory of one of Lambda's sizes, in Docker.

The emulator runs inside and shares both: it takes about 12 MiB and a millisecond a request, which the
smallest sizes feel. Times come from the emulator's own phases: neither Docker's network nor this
program is in them.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, Self

from liteship.deploy.local.emulator import invoke
from liteship.errors import DeploymentError
from liteship.packaging import docker
from liteship.packaging.quotas import ONE_CPU_MIB

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.project import FunctionFolder

PERIOD_US = 20_000
"""The processor is shared out in periods so short that even a short request feels its share; Docker's
own 100 ms would let it run to its end before the share is used up."""

LEAST_QUOTA_US = 1000
"""Docker takes no less, which is below Lambda's smallest size."""

READY_S = 60
"""Longest wait for the emulator in a container: with 7% of a processor, its start takes a second."""

INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
INVOKE = re.compile(r"INVOKE RTDONE\(status: success.*duration: ([\d.]+)ms\)")
"""The two phases that Lambda bills, as the emulator logs them."""

LAST_LINES = 5
"""Of a log, to say why something failed."""

# The function is the emulator's child; its peak is read inside, where a remote engine can be asked too.
PEAK = """
import glob
for path in glob.glob("/proc/[0-9]*/status"):
    with open(path) as file:
        fields = dict(line.split(":", 1) for line in file)
    if fields["PPid"].strip() == "1":
        print(fields["VmHWM"].split()[0])
        break
"""


class OutOfMemoryError(Exception):
    """The kernel ended the function: this size is too small for it."""


def count_processors() -> int:
    """How many processors the container engine can give away.

    Raises:
        PackagingError: `docker-missing` or `docker-unreachable`.
    """
    docker.require_engine()
    return int(_docker("info", "--format", "{{.NCPU}}").stdout)


class LambdaContainer:
    """A function's image in one of Lambda's sizes; a context manager that always removes it again.

    Args:
        function: What function.toml says: the environment.
        image: The image's reference.
        emulator: The emulator's binary.
        memory_mib: Limits its memory, and its processor to that share of 1,769.

    Raises:
        DeploymentError: `container-failed`.
    """

    def __init__(self, function: FunctionFolder, image: str, emulator: Path, memory_mib: int) -> None:
        self.name = f"liteship-tune-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._url = ""
        environment = function.config.environment() | {
            "AWS_LAMBDA_FUNCTION_NAME": function.config.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mib),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "900",  # how long it takes is the question
        }
        quota_us = max(LEAST_QUOTA_US, PERIOD_US * memory_mib // ONE_CPU_MIB)
        self._command = [
            *("create", f"--name={self.name}", "--publish=127.0.0.1::8080"),
            *(f"--memory={memory_mib}m", f"--memory-swap={memory_mib}m"),
            *(f"--cpu-period={PERIOD_US}", f"--cpu-quota={quota_us}"),
            *("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(f"--env={name}={value}" for name, value in environment.items()),
            f"--volume={emulator}:/usr/local/bin/aws-lambda-rie:ro",
            *("--entrypoint=aws-lambda-rie", image, "python3", "-m", "liteship.runtime", "app.handler"),
        ]

    def __enter__(self) -> Self:
        try:
            self._run(*self._command)
            self._run("start", self.name)
            self._url = "http://" + self._run("port", self.name, "8080").split()[0]
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _docker("rm", "--force", "--volumes", self.name)

    def invoke(self, event: object) -> Any:
        """Sends one event; the first one also starts the function.

        Raises:
            OutOfMemoryError: The function was ended for want of memory.
            DeploymentError: `image-fails`.
        """
        try:
            return invoke(self._url, event, timeout_s=READY_S)
        except DeploymentError as error:
            if "signal: killed" in error.message or self._was_killed():
                raise OutOfMemoryError from error
            raise DeploymentError(
                "image-fails",
                f"the image's function fails: {error.message}",
                problems=self._last_words(),
                hint="build the image again: liteship package NAME --as image",
            ) from error

    def phases_ms(self) -> tuple[list[float], list[float]]:
        """How long each init and each request so far took."""
        log = self._log()
        return [float(each) for each in INIT.findall(log)], [
            float(each) for each in INVOKE.findall(log)
        ]

    def peak_bytes(self) -> int:
        """Most memory that the function's process ever held.

        Not the container's own peak: that counts the emulator, and every page of a file that was read.

        Raises:
            OutOfMemoryError: There is not even room to look.
        """
        done = _docker("exec", self.name, "python3", "-S", "-c", PEAK)
        if done.returncode != 0 or not done.stdout.strip().isdecimal():
            raise OutOfMemoryError
        return int(done.stdout) * 1024

    def _wait(self) -> None:
        """Until the emulator listens; before that, the engine's proxy accepts and breaks off."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self._url, timeout=READY_S)  # noqa: S310  # http, see above
            except urllib.error.HTTPError:  # it knows one path alone
                return
            except OSError:
                time.sleep(0.05)
            if self._run("inspect", "--format", "{{.State.Running}}", self.name).strip() != "true":
                break
        raise DeploymentError(
            "container-failed",
            f"the emulator does not start in {self._command[-5]}",
            problems=self._last_words(),
            hint="is this the image of a liteship function? liteship package NAME --as image",
        )

    def _log(self) -> str:
        done = _docker("logs", self.name)
        return done.stdout + done.stderr

    def _last_words(self) -> list[str]:
        """Of the function, without the emulator's own lines."""
        return [line for line in self._log().splitlines() if "(rapid)" not in line][-LAST_LINES:]

    def _was_killed(self) -> bool:
        state = _docker("inspect", "--format", "{{.State.OOMKilled}}", self.name)
        return state.stdout.strip() == "true"

    def _run(self, *words: str) -> str:
        done = _docker(*words)
        if done.returncode != 0:
            raise DeploymentError(
                "container-failed",
                f"the engine refuses docker {words[0]}",
                received=done.stderr.strip()[:500],
                hint="read the engine's message above",
            )
        return done.stdout


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs one docker command to its end, Ctrl-C or not: a container half made could not be removed."""
    with subprocess.Popen(
        ["docker", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the terminal's Ctrl-C is for us alone
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.communicate()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
