"""Lambda's limits, each once with its source, and one limit compared with one value.

Unless another source is named, a number is from
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024

DIRECT_UPLOAD_BYTES = 50 * MIB
"""Of one zip file; larger ones go through S3, as `sam deploy` does with all of them."""

UNZIPPED_BYTES = 250 * MIB
LAYERS = 5
IMAGE_BYTES = 10 * 1024 * MIB

IMAGE_LAYERS = 125
"""How many an engine stacks (`maxLayerDepth` in https://github.com/moby/moby, layer/layer_store.go)."""

MEMORY_MIB = (128, 10_240)
TMP_MIB = (512, 10_240)
TIMEOUT_S = 900
INIT_MS = 10_000
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html"""

ENVIRONMENT_BYTES = 4 * 1024
PAYLOAD_BYTES = 6 * MIB
"""Of one synchronous event, and of its answer."""

ASYNC_PAYLOAD_BYTES = MIB
"""Of one asynchronous event: what S3 and EventBridge send."""

CONCURRENCY = 900
"""What functions can reserve together: a region's 1,000 less the 100 that stay for all others
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html). New accounts: less."""

HTTP_API_TIMEOUT_S = 29
"""HTTP API ends a request after 30 s whatever the function does; SAM's TimeoutInMillis ends at 29,000
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html). Its 10 MB a request
are never reached: the function's own 6 MB come first."""

EVENT_ENVELOPE_BYTES = 16 * 1024
"""What an HTTP event holds beside the body: HTTP API takes at most 10,240 bytes of request line and
headers (the page above); as JSON, and with the request's context, they are longer."""

SNAPSTART_TMP_MIB = 512
"""https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html"""

ONE_CPU_MIB = 1769
"""Memory at which a function has one vCPU; below, it has that share of one
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""

GLIBC = (2, 34)
"""Amazon Linux 2023's, which Lambda's Python 3.12 and later run on
(https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html)."""

PYTHON_ENDS = {
    "3.12": dt.date(2028, 10, 31),
    "3.13": dt.date(2029, 6, 30),
    "3.14": dt.date(2029, 6, 30),
}
"""When Lambda deprecates a Python (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""


@dataclass(frozen=True, kw_only=True)
class LimitCheck:
    """One limit and how far away it is.

    Attributes:
        name: Stable identifier.
        value: What was found.
        limit: What is allowed.
        unit: Of both; empty for text.
        ok: Whether the value keeps to the limit.
        hint: What to do when it does not.
        note: What to know although the limit is kept, or why it could not be measured.
        basis: How a measured value came about.
    """

    name: str
    value: int | str
    limit: int | str
    unit: str
    ok: bool
    hint: str
    note: str = ""
    basis: str = ""

    @property
    def verdict(self) -> Literal["ok", "note", "over"]:
        """`over` where the limit is not kept, `note` where there is something to know."""
        if not self.ok:
            return "over"
        return "note" if self.note else "ok"


def at_most(name: str, value: int, limit: int, unit: str, hint: str) -> LimitCheck:
    """A value that may reach its limit, but not exceed it."""
    return LimitCheck(name=name, value=value, limit=limit, unit=unit, ok=value <= limit, hint=hint)


def within(
    name: str, value: int, limits: tuple[int, int], unit: str, hint: str, *, note: str = ""
) -> LimitCheck:
    """A value that has a least and a greatest."""
    least, greatest = limits
    ok = least <= value <= greatest
    return LimitCheck(name=name, value=value, limit=greatest, unit=unit, ok=ok, hint=hint, note=note)
