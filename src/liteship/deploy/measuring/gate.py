"""The whole gate: every limit of Lambda's that a function can run into, counted or measured.

A measured time is processor time on this machine. Lambda gives a function less than one processor below
1,769 MiB, and nobody promises which one: what was measured is divided by that share, and multiplied by
`MARGIN`.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from liteship.deploy.local.events import s3_event
from liteship.deploy.measuring.measure import measure
from liteship.deploy.measuring.tune import image_reference
from liteship.errors import DeploymentError, PackagingError
from liteship.packaging import docker
from liteship.packaging.image import require_fresh
from liteship.packaging.limits import LimitCheck, check_code_limits, check_limits, image_checks
from liteship.packaging.package import package_zip
from liteship.packaging.quotas import (
    ASYNC_PAYLOAD_BYTES,
    INIT_MS,
    MIB,
    ONE_CPU_MIB,
    PAYLOAD_BYTES,
    at_most,
)
from liteship.packaging.setting_limits import input_keys

if TYPE_CHECKING:
    from liteship.config import FunctionConfig
    from liteship.deploy.measuring.measure import Measurement
    from liteship.project import FunctionFolder

MARGIN = 2
"""How much slower than here one of Lambda's processors is assumed to be."""

MEMORY_SHARE = 0.8
"""How much of its memory a function may need: the rest is for what Lambda runs beside it."""

QUEUE_BATCH = 10
"""Messages that SQS hands over at once unless told otherwise
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html)."""

MEASURED = ("peak-memory", "init", "typical", "latency", "answer")
"""The names of the limits that only a run of the function can tell."""


def gate(function: FunctionFolder, *, measured: bool = True) -> list[LimitCheck]:
    """Every limit that a function can run into, kept or not, in the form that function.toml asks for.

    Args:
        function: What is to be deployed.
        measured: Whether to run it. Takes seconds, and needs the emulator: without it, the measured
            limits are listed as not measured.

    Raises:
        PackagingError, ArtifactError, DeploymentError: It cannot be packaged, or does not start.
    """
    config = function.config
    package = package_zip(function)
    if config.lambda_.package == "zip":
        checks = check_limits(function, package)
    else:  # the image is built of the same code and layers
        checks = _local_image_checks(function) + check_code_limits(function, package)
    checks += event_checks(config)
    if not measured:
        return checks
    if exceeded := [check.name for check in checks if not check.ok]:  # which inputs may break it
        return checks + _unmeasured(f"not run before this is mended: {', '.join(exceeded)}")
    try:
        return checks + measured_checks(config, measure(function))
    except DeploymentError as error:
        if error.reference != "emulator-missing":
            raise
        return checks + _unmeasured(f"{error.message}: {error.hint}")


def event_checks(config: FunctionConfig) -> list[LimitCheck]:
    """The largest event that each trigger can send; HTTP's is `http-payload`."""
    if config.triggers.s3 is None:
        return []
    # a key has at most 1,024 bytes, each of which a notification may write as %XX
    event = s3_event("b" * 63, "\x7f" * 1024, 5 * 1024**4, "0" * 32)
    shorter = "this cannot be: please report it"
    if not config.triggers.s3.queue:
        size_bytes = len(json.dumps(event))
        return [at_most("s3-event", size_bytes, ASYNC_PAYLOAD_BYTES, "bytes", shorter)]
    batch = {"Records": [{"messageId": "0" * 36, "body": json.dumps(event)}] * QUEUE_BATCH}
    return [at_most("queue-event", len(json.dumps(batch)), PAYLOAD_BYTES, "bytes", shorter)]


def measured_checks(config: FunctionConfig, found: Measurement) -> list[LimitCheck]:
    """What a run of the function tells, against its own settings and Lambda's limits."""
    memory_mib, timeout_s = config.runtime.memory_mib, config.runtime.timeout_s
    slower = MARGIN * max(1.0, ONE_CPU_MIB / memory_mib)
    on_lambda = f"ms of one processor here, x{slower:.1f} at {memory_mib:,} MiB"
    inputs = input_keys(config)
    # The function was measured with its own model alone
    others_mib = (config.models.memory_mib if config.models else None) or 0
    others = f", with {others_mib} MiB for other models" if others_mib else ""
    return [
        _measured(
            "peak-memory",
            -(-found.peak_bytes // MIB) + others_mib,
            int(memory_mib * MEMORY_SHARE),
            "MiB",
            f"raise runtime.memory_mib, or lower {inputs}",
            f"reached by {found.largest}{others}",
        ),
        _measured(
            "init",
            round(found.init_ms * slower),
            INIT_MS,
            "ms",
            "raise runtime.memory_mib, or take work out of the start of app.py",
            f"{found.init_ms:.0f} {on_lambda}",
        ),
        _measured(
            "typical",
            math.ceil(found.typical_ms * slower),
            timeout_s * 1000,
            "ms",
            "raise runtime.memory_mib or timeout_s",
            f"{found.typical_ms:.1f} {on_lambda}; a usual request",
        ),
        _measured(
            "latency",
            round(found.request_ms * slower),
            timeout_s * 1000,
            "ms",
            f"raise runtime.memory_mib or timeout_s, or lower {inputs}",
            f"{found.request_ms:.0f} {on_lambda}; {found.slowest}",
        ),
        _measured(
            "answer",
            found.answer_bytes,
            PAYLOAD_BYTES,
            "bytes",
            "lower output.top_k, or answer less in your own postprocess",
            "the largest answer to these inputs",
        ),
    ]


def _local_image_checks(function: FunctionFolder) -> list[LimitCheck]:
    """Of the image that `liteship package --as image` built, where it is here and up to date."""
    config, reference = function.config, image_reference(function)
    try:
        require_fresh(function, reference)
        image = docker.inspect_image(reference)
    except PackagingError as error:
        note = f"{error.message}: {error.hint}"
        return [_unknown("image", note)]
    if image is None:
        return []
    architectures = {machine: name for name, machine in docker.MACHINES.items()}
    architecture = architectures.get(image["Architecture"], image["Architecture"])
    found = image_checks(config, architecture, image["Size"], len(image["RootFS"]["Layers"]))
    return [
        replace(check, name="image-architecture") if check.name == "architecture" else check
        for check in found
    ]


def _measured(name: str, value: int, limit: int, unit: str, hint: str, basis: str) -> LimitCheck:
    return LimitCheck(
        name=name, value=value, limit=limit, unit=unit, ok=value <= limit, hint=hint, basis=basis
    )


def _unmeasured(reason: str) -> list[LimitCheck]:
    return [_unknown(name, reason) for name in MEASURED]


def _unknown(name: str, reason: str) -> LimitCheck:
    return LimitCheck(
        name=name, value="not measured", limit="", unit="", ok=True, hint=reason, note=reason
    )
