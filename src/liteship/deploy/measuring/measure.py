"""What a function takes at worst: the packaged function under the emulator, given its worst inputs.

Time is a processor's time, read from the function's own process: what else runs on this machine changes
little about it, and Lambda sells shares of a processor.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.artifact import Artifact
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event, s3_event
from liteship.deploy.measuring.object_server import ObjectServer
from liteship.deploy.measuring.worst_inputs import worst_inputs
from liteship.errors import DeploymentError
from liteship.runtime.codecs import BINARY_TYPE, sniff_media_type

if TYPE_CHECKING:
    from liteship.deploy.measuring.worst_inputs import WorstInput
    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

TICK_MS = 1e3 / os.sysconf("SC_CLK_TCK")

TYPICAL_REQUESTS = 50
"""Enough of them to make a mean of processor time, which is counted in hundredths of a second."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one packaged function took.

    Attributes:
        init_ms: Processor time from its start until it first answered, the self-test included.
        typical_ms: Processor time of a request as users send it; see `typical_event`.
        request_ms: Processor time of the slowest request.
        slowest: What that was.
        peak_bytes: Most memory that its process ever held (`VmHWM`).
        largest: The request after which that was reached.
        answer_bytes: The largest answer, as Lambda's JSON.
    """

    init_ms: float
    typical_ms: float
    request_ms: float
    slowest: str
    peak_bytes: int
    largest: str
    answer_bytes: int


def measure(function: FunctionFolder, package: Package | None = None) -> Measurement:
    """Runs a function through every trigger that it has with the worst inputs its settings allow.

    Takes as long as making and answering some pictures of `max_pixels`: about ten seconds by default.

    Args:
        function: Its settings.
        package: What was packed for this Python; packed now by default.

    Raises:
        DeploymentError: `emulator-missing`, `emulator-failed`, `measurement-failed`.
        PackagingError, ArtifactError: See `package_zip`.
    """
    config, runtime = function.config, function.config.runtime
    artifact = Artifact.load(function.model_folder)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ObjectServer()) if config.triggers.s3 is not None else None
        environment = {"AWS_ENDPOINT_URL_S3": server.url} if server is not None else {}
        package = package or package_for_here(function)
        emulator = LambdaEmulator(function, package, environment=environment)
        stack.enter_context(emulator)
        found = _start(emulator, typical_event(function)[0])
        if config.triggers.http:
            for worst in worst_inputs(config, artifact, runtime.max_body_bytes):
                event = http_event("POST", "/predict", worst.body, worst.media_type)
                found = _send(emulator, event, worst, found)
        if config.triggers.s3 is not None and server is not None:
            key = f"{config.triggers.s3.input_prefix}worst"
            for worst in worst_inputs(config, artifact, runtime.max_object_bytes):
                server.body = worst.body
                event = s3_event("measured", key, len(worst.body), "0")
                from_s3 = replace(worst, name=f"{worst.name} from S3")
                found = _send(emulator, event, from_s3, found)
    return found


def typical_event(function: FunctionFolder) -> tuple[dict[str, Any], str]:
    """A request as users send it, and what it holds: a sample picture, or else the golden input."""
    samples = sorted((function.folder / "trained" / "samples").glob("*.*"))
    if function.config.input.kind == "image" and samples:
        body, name = samples[0].read_bytes(), f"trained/samples/{samples[0].name}"
        return http_event("POST", "/predict", body, sniff_media_type(body)), name
    body = b"".join(Artifact.load(function.model_folder).golden_inputs)
    return http_event("POST", "/predict", body, BINARY_TYPE), "the golden input"


def _start(emulator: LambdaEmulator, typical: dict[str, Any]) -> Measurement:
    answer = emulator.invoke(http_event("GET", "/health/ready", b"", ""))
    if answer.get("statusCode") != 200:
        raise DeploymentError(
            "measurement-failed",
            "the function does not become ready, so that nothing can be measured",
            received=f"{answer.get('body', answer)}"[:500],
            hint="liteship emulate NAME shows its log",
        )
    process = _function_process(emulator.pid)
    init_ms = _processor_ms(process)
    for _ in range(TYPICAL_REQUESTS):
        emulator.invoke(typical)
    return Measurement(
        init_ms=init_ms,
        typical_ms=(_processor_ms(process) - init_ms) / TYPICAL_REQUESTS,
        request_ms=0.0,
        slowest="",
        peak_bytes=_peak_bytes(process),
        largest="its start",
        answer_bytes=len(json.dumps(answer)),
    )


def _send(
    emulator: LambdaEmulator, event: dict[str, Any], worst: WorstInput, so_far: Measurement
) -> Measurement:
    process = _function_process(emulator.pid)
    before_ms = _processor_ms(process)
    answer = emulator.invoke(event)
    if _function_process(emulator.pid) != process:
        raise DeploymentError(
            "measurement-failed",
            f"the function's process ended when it was given {worst.name}",
            received=f"{answer}"[:500],
            hint="liteship emulate NAME shows its log; lower runtime.max_pixels or max_body_bytes",
        )
    request_ms = _processor_ms(process) - before_ms
    peak_bytes = _peak_bytes(process)
    if request_ms > so_far.request_ms:
        so_far = replace(so_far, request_ms=request_ms, slowest=worst.name)
    if peak_bytes > so_far.peak_bytes:
        so_far = replace(so_far, peak_bytes=peak_bytes, largest=worst.name)
    return replace(so_far, answer_bytes=max(so_far.answer_bytes, len(json.dumps(answer))))


def _function_process(emulator: int) -> int:
    """The emulator's one child.

    Raises:
        DeploymentError: `measurement-failed`.
    """
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and _stat(int(folder.name))[1:2] == [str(emulator)]:
            return int(folder.name)
    raise DeploymentError(
        "measurement-failed",
        "the emulator runs no function, so that nothing can be measured",
        hint="liteship emulate NAME shows its log",
    )


def _stat(process: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the third on (man 5 proc_pid_stat); none once it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor_ms(process: int) -> float:
    """Time on a processor so far, all threads, user and system."""
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) * TICK_MS


def _peak_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024
