"""What `function.toml` alone decides, against Lambda's limits; see `quotas` for each limit's source."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from liteship.packaging.quotas import (
    CONCURRENCY,
    ENVIRONMENT_BYTES,
    EVENT_ENVELOPE_BYTES,
    HTTP_API_TIMEOUT_S,
    MEMORY_MIB,
    MIB,
    PAYLOAD_BYTES,
    PYTHON_ENDS,
    SNAPSTART_TMP_MIB,
    TIMEOUT_S,
    TMP_MIB,
    LimitCheck,
    at_most,
    within,
)

if TYPE_CHECKING:
    from liteship.config import FunctionConfig
    from liteship.located_model import LocatedModel

PIXEL_BYTES = 16
"""A pixel in memory at worst, as `liteship check` measures it: WebP's decoder holds two canvases of
four bytes a pixel, and Pillow makes two copies."""


def setting_checks(config: FunctionConfig) -> list[LimitCheck]:
    """Every limit that settings alone can exceed."""
    checks = [*_size_checks(config), _input_check(config), *_concurrency_checks(config)]
    if config.triggers.http:
        checks += _http_checks(config)
    if config.lambda_.snap_start:
        checks.append(_snapstart_check(config))
    return checks


def input_keys(config: FunctionConfig) -> str:
    """The keys of function.toml that bound what one input takes, for a hint."""
    keys = {
        "max_pixels": config.input.kind == "image",
        "max_body_bytes": config.triggers.http,
        "max_object_bytes": config.triggers.s3 is not None,
    }
    return " or ".join(f"runtime.{key}" for key, matters in keys.items() if matters)


def python_check(python: str, today: dt.date | None) -> LimitCheck:
    """Whether Lambda supports a Python version on a day, today by default."""
    today = today or dt.datetime.now(dt.UTC).date()
    end = PYTHON_ENDS.get(python)
    return LimitCheck(
        name="python",
        value=python,
        limit=f"supported until {end.isoformat()}" if end else f"one of {', '.join(PYTHON_ENDS)}",
        unit="",
        ok=end is not None and today <= end,
        hint="set runtime.python to a version that Lambda supports",
    )


def _size_checks(config: FunctionConfig) -> list[LimitCheck]:
    runtime, tmp_mib = config.runtime, config.lambda_.tmp_mib
    model = config.lambda_model()
    environment = config.environment() | (model.environment if model else {})
    environment_bytes = sum(
        len(name.encode()) + len(value.encode()) for name, value in environment.items()
    )
    return [
        within(
            "memory",
            runtime.memory_mib,
            MEMORY_MIB,
            "MiB",
            f"set runtime.memory_mib to {MEMORY_MIB[0]:,}-{MEMORY_MIB[1]:,}",
        ),
        at_most("timeout", runtime.timeout_s, TIMEOUT_S, "s", f"at most {TIMEOUT_S} s"),
        within(
            "tmp",
            tmp_mib,
            TMP_MIB,
            "MiB",
            f"set lambda.tmp_mib to {TMP_MIB[0]:,}-{TMP_MIB[1]:,}",
            note="liteship writes nothing there: what is above 512 costs, for your own code alone"
            if tmp_mib > TMP_MIB[0] and model is None
            else "",
        ),
        at_most(
            "environment", environment_bytes, ENVIRONMENT_BYTES, "bytes", "shorten the S3 prefixes"
        ),
        *([] if model is None else [_download_check(model, tmp_mib)]),
    ]


def _download_check(model: LocatedModel, tmp_mib: int) -> LimitCheck:
    return at_most(
        "model-download",
        model.size_bytes,
        tmp_mib * MIB,
        "bytes",
        'raise lambda.tmp_mib, or set model.location = "image"',
    )


def _http_checks(config: FunctionConfig) -> list[LimitCheck]:
    runtime, http = config.runtime, config.lambda_.http
    return [
        at_most(
            "http-timeout",
            runtime.timeout_s,
            HTTP_API_TIMEOUT_S if http == "http-api" else TIMEOUT_S,
            "s",
            "the HTTP API answers 503 before the function ends: lower runtime.timeout_s, send long "
            'work through S3, or set lambda.http = "function-url"',
        ),
        at_most(
            "http-payload",
            # binary bodies travel as base64 inside the JSON event
            4 * -(-runtime.max_body_bytes // 3) + EVENT_ENVELOPE_BYTES,
            PAYLOAD_BYTES,
            "bytes",
            "lower runtime.max_body_bytes; larger inputs can come through S3",
        ),
    ]


def _input_check(config: FunctionConfig) -> LimitCheck:
    """Of the largest input while it is decoded; what the rest needs is measured, not guessed."""
    runtime = config.runtime
    body_bytes = runtime.max_body_bytes if config.triggers.http else 0
    object_bytes = runtime.max_object_bytes if config.triggers.s3 is not None else 0
    pixels = runtime.max_pixels if config.input.kind == "image" else 0
    return at_most(
        "input-memory",
        max(body_bytes, object_bytes) + PIXEL_BYTES * pixels,
        runtime.memory_mib * MIB,
        "bytes",
        f"raise runtime.memory_mib, or lower {input_keys(config)}",
    )


def _concurrency_checks(config: FunctionConfig) -> list[LimitCheck]:
    """Soft limits: AWS raises them on request, so that exceeding one is told, not refused."""
    settings = {
        "reserved-concurrency": config.lambda_.reserved_concurrency,
        "provisioned-concurrency": config.lambda_.provisioned_concurrency,
    }
    checks = []
    for name, value in settings.items():
        if value is None:
            continue
        note = ""
        if value > CONCURRENCY:
            note = "ask for a higher quota first: aws lambda get-account-settings shows yours"
        elif value == 0:
            note = "0 stops the function: Lambda answers every request with 429"
        check = at_most(name, value, CONCURRENCY, "executions", note)
        checks.append(replace(check, ok=True, note=note))
    return checks


def _snapstart_check(config: FunctionConfig) -> LimitCheck:
    tmp_mib, provisioned = config.lambda_.tmp_mib, config.lambda_.provisioned_concurrency
    return LimitCheck(
        name="snap-start",
        value=f"{tmp_mib} MiB of /tmp, provisioned concurrency {provisioned or 'none'}",
        limit=f"{SNAPSTART_TMP_MIB} MiB of /tmp, provisioned concurrency none",
        unit="",
        ok=tmp_mib <= SNAPSTART_TMP_MIB and provisioned is None,
        hint="set lambda.tmp_mib to 512 and leave lambda.provisioned_concurrency out",
    )
