"""What a month costs, from the list prices in `prices.toml`; no free tier is assumed.

A free tier belongs to an account and all of its functions; what it leaves to one of them nobody here
knows. So a bill can be lower than this, not higher, as long as the requests are as assumed.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from liteship.errors import ConfigurationError

PRICES = Path(__file__).with_name("prices.toml")
REGION = "eu-west-1"
"""The region whose prices are taken unless another is asked for."""

MONTH_H = 730
MONTH_S = MONTH_H * 3600
"""A month as AWS' own calculator counts it: a twelfth of a year."""

OWN_METRICS = 4
"""What every version of a function writes: Predictions, InvokeTime, LowConfidence and, where instances
start in most hours, ColdStart. CloudWatch bills a metric for each hour that has data
(https://aws.amazon.com/cloudwatch/pricing/)."""

GIB_MIB = 1024
FREE_TMP_MIB = 512
METERED_BYTES = 512 * 1024
"""HTTP API counts a request once for every 512 KB (https://aws.amazon.com/api-gateway/pricing/)."""

LOG_BYTES = 1200
"""What one prediction writes by default: Lambda's START, END and REPORT lines (about 350 bytes) and the
function's own JSON line and metrics (about 850)."""

Http = Literal["http-api", "function-url"]


@dataclass(frozen=True, kw_only=True)
class MonthlyCost:
    """What one month costs, in US dollars, part by part.

    Attributes:
        requests_usd: Lambda's price a request.
        duration_usd: Memory × billed time, at the lower price where concurrency is provisioned.
        tmp_usd: `/tmp` above 512 MiB, while requests run.
        provisioned_usd: Memory that is kept initialised, used or not.
        http_usd: The HTTP API's price a request; a function URL has none.
        logs_usd: What CloudWatch Logs takes in.
        metrics_usd: The function's own metrics, in every hour that has requests.
        alarms_usd: What alarms read, whether the function is called or not.
    """

    requests_usd: float
    duration_usd: float
    tmp_usd: float
    provisioned_usd: float
    http_usd: float
    logs_usd: float
    metrics_usd: float
    alarms_usd: float

    @property
    def total_usd(self) -> float:
        """All parts together."""
        return float(sum(asdict(self).values()))


def regions() -> list[str]:
    """The regions that `prices.toml` knows."""
    return sorted(_prices()["lambda"])


def prices_as_of() -> str:
    """Year and month of the prices, such as `2026-11`."""
    return str(_prices()["as_of"])


def monthly_cost(  # noqa: PLR0913  # what a bill consists of, all by name
    requests: int,
    *,
    memory_mib: int,
    billed_ms: float,
    architecture: str,
    tmp_mib: int = FREE_TMP_MIB,
    http: Http | None,
    provisioned: int = 0,
    log_bytes_per_request: int = LOG_BYTES,
    request_bytes: int = 0,
    alarm_metrics: int = 0,
    region: str = REGION,
) -> MonthlyCost:
    """The cost of one function for one month.

    Args:
        requests: Invocations in that month.
        memory_mib: The function's memory.
        billed_ms: Mean billed time of one invocation, its share of cold starts included: since August
            2025 every function pays for its init phase
            (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/).
        architecture: `x86_64` or `arm64`.
        tmp_mib: The function's `/tmp`.
        http: What is in front of it; None for a function that only S3 calls.
        provisioned: Executions that are kept initialised the whole month; they are assumed to take
            all requests.
        log_bytes_per_request: What Lambda and the function write together.
        request_bytes: A request's body, where the HTTP API counts it in pieces of 512 KB.
        alarm_metrics: Metrics that the function's alarms read.
        region: One of `regions()`.

    Raises:
        ConfigurationError: `price-unknown`.
    """
    metrics = _of_region("metrics", region)
    prices = _of_region("lambda", region)
    gib, busy_s = memory_mib / GIB_MIB, requests * billed_ms / 1e3
    reserved = prices[f"provisioned_{architecture}"]
    duration = reserved["duration_gb_second"] if provisioned else prices[architecture]["gb_second"]
    pieces = max(1, -(-request_bytes // METERED_BYTES))
    http_million = _of_region("http-api", region)["million"] if http == "http-api" else 0.0
    return MonthlyCost(
        requests_usd=requests / 1e6 * prices["request"]["million"],
        duration_usd=busy_s * gib * duration,
        tmp_usd=busy_s * (tmp_mib - FREE_TMP_MIB) / GIB_MIB * prices["ephemeral_storage"]["gb_second"],
        provisioned_usd=provisioned * gib * MONTH_S * reserved["gb_second"],
        http_usd=requests * pieces / 1e6 * http_million,
        logs_usd=requests * log_bytes_per_request / 1e9 * _of_region("logs", region)["ingested_gb"],
        metrics_usd=OWN_METRICS * metrics["metric_month"] * min(1.0, requests / MONTH_H),
        alarms_usd=alarm_metrics * metrics["alarm_month"],
    )


def snapstart_cost(
    cold_starts: int, *, memory_mib: int, versions: int = 1, region: str = REGION
) -> float:
    """US dollars a month for SnapStart: each published version's snapshot, and each restore of one."""
    price = _of_region("lambda", region)["snap_start"]
    gib = memory_mib / GIB_MIB
    cached = versions * gib * MONTH_S * price["cache_gb_second"]
    return float(cached + cold_starts * gib * price["restore_gb"])


def pod_cost(*, cpus: float, memory_mib: int, hours: float, region: str = REGION) -> float:
    """US dollars for a pod with these requests that runs for so many hours, without its cluster."""
    price = _of_region("pod", region)
    return float(hours * (cpus * price["cpu_hour"] + memory_mib / GIB_MIB * price["gib_hour"]))


def image_storage_cost(size_bytes: int, *, region: str = REGION) -> float:
    """US dollars a month for an image in Amazon ECR."""
    return float(size_bytes / 1e9 * _of_region("image-storage", region)["gb_month"])


def require_region(region: str) -> None:
    """Refuses a region that `prices.toml` does not know.

    Raises:
        ConfigurationError: `price-unknown`.
    """
    _of_region("lambda", region)


@cache
def _prices() -> dict[str, Any]:
    return tomllib.loads(PRICES.read_text(encoding="utf-8"))


def _of_region(service: str, region: str) -> dict[str, Any]:
    prices: dict[str, Any] | None = _prices()[service].get(region)
    if prices is None:
        raise ConfigurationError(
            "price-unknown",
            f"there are no prices for the region {region}",
            expected=f"one of {', '.join(regions())}",
            received=region,
            hint=f"take the nearest of these, or add the region to {PRICES.name}",
        )
    return prices
