"""AWS's Lambda runtime interface emulator, without Docker.

The binary ships inside the `aws-sam-cli` wheel, which stays in an environment of its own: its pins
conflict with ours. The emulated process sees only what was packaged (`python -S`, `PYTHONPATH`).
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from liteship.errors import DeploymentError
from liteship.packaging.package import package_zip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

INVOCATIONS = "2015-03-31/functions/function/invocations"
"""Path of Lambda's Invoke API, as the emulator serves it."""

START_TIMEOUT_S = 30.0

_RIE = "samcli/local/rapid/aws-lambda-rie-{machine}"
_PASSED_ON = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "LANG", "PATH", "SSL_CERT_FILE")


def package_for_here(function: FunctionFolder) -> Package:
    """Packages a function for the Python that runs now, so that it can be emulated here."""
    return package_zip(function, python=f"{sys.version_info.major}.{sys.version_info.minor}")


def find_emulator(root: Path) -> Path:
    """The emulator's binary: `$LITESHIP_LAMBDA_RIE`, on the PATH, or in the project's `.tools/sam`.

    Raises:
        DeploymentError: `emulator-missing`.
    """
    named = os.environ.get("LITESHIP_LAMBDA_RIE") or shutil.which("aws-lambda-rie")
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    candidates = [Path(named)] if named else []
    candidates += sorted(
        (root / ".tools" / "sam").glob(f"lib/*/site-packages/{_RIE.format(machine=machine)}")
    )
    for path in candidates:
        if path.is_file():
            return path
    raise DeploymentError(
        "emulator-missing",
        "the AWS Lambda runtime interface emulator is not installed",
        expected="the binary inside the aws-sam-cli wheel, in .tools/sam",
        hint="make .tools/sam, or set LITESHIP_LAMBDA_RIE to the binary",
    )


class LambdaEmulator:
    """One packaged function under the emulator; a context manager.

    Args:
        function: What function.toml says: environment, memory, timeout.
        package: What was packed for this Python.
        environment: Added to the function's environment.
        port: Port for invocations; 0 picks a free one.
        echo: Let the function's log go to standard error instead of keeping it.

    Raises:
        DeploymentError: `emulator-missing` or `emulator-failed`.
    """

    def __init__(
        self,
        function: FunctionFolder,
        package: Package,
        *,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
        echo: bool = False,
    ) -> None:
        self._binary = find_emulator(function.root)
        self._function = function
        self._package = package
        self._environment = dict(environment or {})
        self._port = port or free_port()
        self._log = None if echo else tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where invocations go."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        output = self._log if self._log is not None else sys.stderr.fileno()
        self._process = subprocess.Popen(
            [
                self._binary,
                "--runtime-interface-emulator-address",
                f"127.0.0.1:{self._port}",
                "--runtime-api-address",
                f"127.0.0.1:{free_port()}",
                sys.executable,
                "-S",  # no site-packages: only what was packaged
                "-m",
                "liteship.runtime",
                "app.handler",
            ],
            cwd=self._package.python_path[0],
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # its child must go with it
        )
        try:
            _wait_for_port(self._port, self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _signal_group(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._log is not None:
            self._log.close()

    @property
    def pid(self) -> int:
        """The emulator's process; the function's is its child. 0 before the start."""
        return self._process.pid if self._process is not None else 0

    def is_running(self) -> bool:
        """Whether the emulator's process lives."""
        return self._process is not None and self._process.poll() is None

    def invoke(self, event: object) -> Any:
        """Sends one event; see `invoke`."""
        return invoke(
            self.url, event, timeout_s=self._function.config.runtime.timeout_s + START_TIMEOUT_S
        )

    def log_lines(self) -> list[dict[str, Any]]:
        """The function's own JSON log lines so far."""
        if self._log is None:
            return []
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"')]

    def _variables(self) -> dict[str, str]:
        runtime = self._function.config.runtime
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return (
            passed_on
            | {
                "PYTHONPATH": os.pathsep.join(map(str, self._package.python_path)),
                "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's file system is read-only too
                "AWS_LAMBDA_FUNCTION_NAME": self._function.config.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(runtime.memory_mib),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(runtime.timeout_s),
                "AWS_REGION": "eu-west-1",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ACCESS_KEY_ID": "emulated",
                "AWS_SECRET_ACCESS_KEY": "emulated",  # no secret: nothing real is reached
            }
            | self._function.config.environment()
            | self._environment
        )


def invoke(url: str, event: object, *, timeout_s: float = 60.0) -> Any:
    """Sends one event to an emulator and returns the function's answer.

    Args:
        url: The emulator's base URL, `http://127.0.0.1:PORT`.
        event: JSON-ready.
        timeout_s: Longest wait.

    Raises:
        DeploymentError: `emulator-unreachable`, or `invocation-failed` where the function raised.
    """
    if not url.startswith("http"):
        url = f"http://{url}"
    request = urllib.request.Request(  # noqa: S310  # http only, see above
        f"{url.rstrip('/')}/{INVOCATIONS}",
        data=json.dumps(event).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            content = response.read()
    except urllib.error.HTTPError as error:  # what the function said when its start failed
        content = error.read()
    except OSError as error:
        raise DeploymentError(
            "emulator-unreachable",
            f"no answer from {url}: {error}",
            hint="start it with: liteship emulate NAME",
        ) from error
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise DeploymentError(
            "invocation-failed",
            f"{url} answered something that is not JSON: {content[:200]!r}",
            hint="is this the address of a Lambda emulator? liteship emulate NAME prints it",
        ) from error
    if isinstance(answer, dict) and "errorMessage" in answer:
        raise DeploymentError(
            "invocation-failed",
            f"the function failed with {answer.get('errorType')}: {answer['errorMessage']}",
            hint="the event is at fault, or see the function's log",
        )
    return answer


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of it has ended already
        os.killpg(group, number)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DeploymentError(
                "emulator-failed",
                f"the emulator ended with exit code {process.returncode} before it listened",
                hint="check that the port is free",
            )
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise DeploymentError(
        "emulator-failed",
        f"the emulator did not listen on port {port} within {START_TIMEOUT_S:g} s",
        hint="try another port",
    )
