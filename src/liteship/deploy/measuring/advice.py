"""What the measured sizes cost, which one to take, and when something else than Lambda is cheaper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.deploy.measuring.prices import MONTH_S, MonthlyCost, monthly_cost, pod_cost
from liteship.deploy.measuring.tune import percentile
from liteship.packaging.quotas import MIB
from liteship.packaging.setting_limits import input_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from liteship.config import FunctionConfig
    from liteship.deploy.measuring.tune import Size

COLD_SHARE = 0.01
"""How many requests meet a cold start: AWS finds less than one in a hundred
(https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/)."""

MEMORY_SHARE = 0.8
"""How much of its memory a function may need, as in the gate."""

KNEE = 1.1
"""A faster size is worth a tenth more than the cheapest, and no more."""

IDLE_S = 60
"""How long Knative keeps a pod after its last request: the stable window by default
(https://knative.dev/docs/serving/autoscaling/kpa-specific/); the grace period after it is a bound
(https://knative.dev/docs/serving/autoscaling/scale-to-zero/)."""

MONTH_HOURS = MONTH_S / 3600


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the function is assumed to be asked for.

    Attributes:
        requests: A month.
        cold_share: How many of them meet a cold start, 0-1.
        region: Whose prices count.
    """

    requests: int
    cold_share: float
    region: str


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The size to take.

    Attributes:
        memory_mib: None where no size will do.
        reason: Why this one, or what is in the way.
    """

    memory_mib: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to run the same function.

    Attributes:
        name: What it is.
        month_usd: Its cost at the traffic asked about.
        from_requests: Requests a month from which it is cheaper than Lambda on demand; None for never.
    """

    name: str
    month_usd: float
    from_requests: int | None


def cost_of(
    size: Size,
    config: FunctionConfig,
    traffic: Traffic,
    *,
    requests: int | None = None,
    provisioned: int = 0,
) -> MonthlyCost:
    """A month of one measured size; every cold start pays for its init and its slower first request.

    Args:
        size: As measured.
        config: Architecture, `/tmp`, and what is in front of the function.
        traffic: The requests.
        requests: Another number of them.
        provisioned: Executions kept initialised: then no request meets a cold start.
    """
    cold_ms = percentile(size.init_ms, 50) + percentile(size.cold_ms, 50) - size.mean_ms
    share = 0.0 if provisioned else traffic.cold_share
    return monthly_cost(
        traffic.requests if requests is None else requests,
        memory_mib=size.memory_mib,
        billed_ms=size.mean_ms + share * cold_ms,
        architecture=config.runtime.architecture,
        tmp_mib=config.lambda_.tmp_mib,
        http=config.lambda_.http if config.triggers.http else None,
        provisioned=provisioned,
        region=traffic.region,
    )


def recommend(
    sizes: Sequence[Size],
    costs_usd: dict[int, float],
    config: FunctionConfig,
    *,
    target_p99_ms: float | None,
    worst_peak_bytes: int,
) -> Recommendation:
    """The cheapest size that meets the target; without one, the fastest that costs little more.

    Args:
        sizes: As measured.
        costs_usd: A month of each, by its memory.
        config: Names the keys that bound the inputs.
        target_p99_ms: What 99 of 100 warm requests must keep to.
        worst_peak_bytes: What the worst input takes, 0 where that was not measured.
    """
    measured = [size for size in sizes if size.warm_ms]
    if not measured:
        return Recommendation(memory_mib=None, reason="no size could be measured")
    roomy = [
        size
        for size in measured
        if max(worst_peak_bytes, size.peak_bytes) <= size.memory_mib * MIB * MEMORY_SHARE
    ]
    if not roomy:
        needed_mib = math.ceil(max(worst_peak_bytes, measured[-1].peak_bytes) / MIB / MEMORY_SHARE)
        return Recommendation(
            memory_mib=None,
            reason=f"none of these holds the worst input, which needs {needed_mib:,} MiB: measure "
            f"larger ones, or lower {input_keys(config)}",
        )
    quick = [
        size for size in roomy if not target_p99_ms or percentile(size.warm_ms, 99) <= target_p99_ms
    ]
    if not quick:
        best = min(percentile(size.warm_ms, 99) for size in roomy)
        return Recommendation(
            memory_mib=None,
            reason=f"no measured size keeps to {target_p99_ms:g} ms: the best p99 is {best:.1f} ms",
        )
    cheapest = min(quick, key=lambda size: costs_usd[size.memory_mib])
    if target_p99_ms:
        reason = f"the cheapest that holds its worst input and keeps to {target_p99_ms:g} ms"
        return Recommendation(memory_mib=cheapest.memory_mib, reason=reason)
    affordable = costs_usd[cheapest.memory_mib] * KNEE
    chosen = min(
        (size for size in quick if costs_usd[size.memory_mib] <= affordable),
        key=lambda size: percentile(size.warm_ms, 50),
    )
    reason = "the cheapest that holds its worst input"
    if chosen != cheapest:
        reason = f"faster than {cheapest.memory_mib:,} MiB, the cheapest, for at most a tenth more"
    return Recommendation(memory_mib=chosen.memory_mib, reason=reason)


def alternatives(size: Size, config: FunctionConfig, traffic: Traffic) -> list[Alternative]:
    """Provisioned concurrency and Knative: one execution at a time, the same processor and memory.

    Knative's pod is priced without its cluster, and as if requests came at random over the month.
    """

    def on_demand(requests: int) -> float:
        return cost_of(size, config, traffic, requests=requests).total_usd

    def provisioned(requests: int) -> float:
        return cost_of(size, config, traffic, requests=requests, provisioned=1).total_usd

    def pod(hours: float, requests: int) -> float:
        logs_usd = cost_of(size, config, traffic, requests=requests).logs_usd
        return (
            pod_cost(cpus=size.cpus, memory_mib=size.memory_mib, hours=hours, region=traffic.region)
            + logs_usd
        )

    def always_on(requests: int) -> float:
        return pod(MONTH_HOURS, requests)

    def to_zero(requests: int) -> float:
        # of arrivals at random, the share of moments with one in the last IDLE_S seconds
        up = 1 - math.exp(-requests * IDLE_S / MONTH_S)
        return pod(MONTH_HOURS * up, requests)

    most = int(MONTH_S * 1000 / size.mean_ms)
    ways = {
        "Lambda, one execution provisioned": provisioned,
        "Knative, one pod always on": always_on,
        "Knative, scaled to zero when idle": to_zero,
    }
    return [
        Alternative(
            name=name,
            month_usd=way(traffic.requests),
            from_requests=cheaper_from(way, on_demand, most),
        )
        for name, way in ways.items()
    ]


def cheaper_from(
    way: Callable[[int], float], on_demand: Callable[[int], float], most: int
) -> int | None:
    """The least number of requests from which a way costs no more; one execution answers at `most`."""
    if way(most) > on_demand(most):
        return None
    least, greatest = 0, most
    while greatest - least > 1:
        middle = (least + greatest) // 2
        if way(middle) > on_demand(middle):
            least = middle
        else:
            greatest = middle
    return greatest
