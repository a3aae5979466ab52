"""Reading sizes, percentiles, and what is made of measured sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liteship.config import FunctionConfig
from liteship.deploy.measuring.advice import (
    KNEE,
    MEMORY_SHARE,
    Traffic,
    alternatives,
    cheaper_from,
    cost_of,
    recommend,
)
from liteship.deploy.measuring.prices import monthly_cost
from liteship.deploy.measuring.tune import Size, parse_sizes, percentile
from liteship.errors import ConfigurationError
from liteship.packaging.quotas import MIB, ONE_CPU_MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAFFIC = Traffic(requests=1_000_000, cold_share=0.01, region="eu-west-1")


@pytest.fixture
def config() -> FunctionConfig:
    content: dict[str, Any] = {
        "name": "digits",
        "version": "1",
        "model": {"source": "m.keras", "calibration": "c.npz"},
        "input": {"kind": "image"},
        "lambda": {"http": "function-url"},
    }
    return FunctionConfig.model_validate(content)


def size(memory_mib: int, warm_ms: float, peak_mib: int = 30, init_ms: float = 100) -> Size:
    return Size(
        memory_mib=memory_mib,
        cpus=memory_mib / ONE_CPU_MIB,
        init_ms=(init_ms,),
        cold_ms=(2 * warm_ms,),
        warm_ms=(warm_ms,) * 10,
        peak_bytes=peak_mib * MIB,
    )


def costs(sizes: Sequence[Size], config: FunctionConfig) -> dict[int, float]:
    return {each.memory_mib: cost_of(each, config, TRAFFIC).total_usd for each in sizes if each.warm_ms}


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_percentiles_are_values_that_were_measured(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected
    assert percentile([7], percent) == 7


def test_sizes_are_sorted_and_single() -> None:
    assert parse_sizes("512, 128,512,10240") == (128, 512, 10240)


@pytest.mark.parametrize("text", ["", "127", "10241", "128,", "lots", "1e3", "-128", "١٢٨", "9" * 5000])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_sizes(text)
    assert caught.value.reference == "sizes-invalid"


def test_a_cold_start_pays_for_its_init_and_its_slow_first_request(config: FunctionConfig) -> None:
    measured = size(1024, warm_ms=10, init_ms=100)
    expected = monthly_cost(
        TRAFFIC.requests,
        memory_mib=1024,
        billed_ms=10 + 0.01 * (100 + 20 - 10),
        architecture="x86_64",
        http="function-url",
    )
    assert cost_of(measured, config, TRAFFIC).total_usd == pytest.approx(expected.total_usd)


def test_each_request_is_rounded_up_to_a_millisecond() -> None:
    assert size(128, warm_ms=1.01).mean_ms == 2


def test_a_target_is_met_by_the_cheapest_that_can(config: FunctionConfig) -> None:
    sizes = [size(256, 40), size(512, 20), size(1024, 15)]
    advice = recommend(sizes, costs(sizes, config), config, target_p99_ms=25, worst_peak_bytes=0)
    assert advice.memory_mib == 512


def test_a_target_that_nothing_meets_names_the_best(config: FunctionConfig) -> None:
    sizes = [size(256, 40), size(512, 20)]
    advice = recommend(sizes, costs(sizes, config), config, target_p99_ms=5, worst_peak_bytes=0)
    assert advice.memory_mib is None
    assert "20.0 ms" in advice.reason


def test_without_a_target_speed_may_cost_a_little_more(config: FunctionConfig) -> None:
    sizes = [size(256, 40), size(512, 20), size(1024, 19)]
    by_size = {256: 1.0, 512: KNEE, 1024: KNEE + 0.01}
    advice = recommend(sizes, by_size, config, target_p99_ms=None, worst_peak_bytes=0)
    assert advice.memory_mib == 512
    by_size[512] += 0.01
    advice = recommend(sizes, by_size, config, target_p99_ms=None, worst_peak_bytes=0)
    assert advice.memory_mib == 256


def test_a_size_must_hold_the_worst_input_with_a_margin(config: FunctionConfig) -> None:
    sizes = [size(256, 40), size(512, 40)]
    just = int(256 * MIB * MEMORY_SHARE)
    for worst, expected in ((just, 256), (just + 1, 512)):
        advice = recommend(
            sizes, costs(sizes, config), config, target_p99_ms=1000, worst_peak_bytes=worst
        )
        assert advice.memory_mib == expected
    advice = recommend(
        sizes, costs(sizes, config), config, target_p99_ms=None, worst_peak_bytes=800 * MIB
    )
    assert advice.memory_mib is None
    assert "1,000 MiB" in advice.reason
    assert "runtime.max_pixels" in advice.reason


def test_sizes_that_failed_are_not_recommended(config: FunctionConfig) -> None:
    failed = Size(memory_mib=128, cpus=0.07, problem="too small")
    advice = recommend([failed], {}, config, target_p99_ms=None, worst_peak_bytes=0)
    assert advice.memory_mib is None


def test_alternatives_become_cheaper_where_they_say(config: FunctionConfig) -> None:
    measured = size(512, 50)
    for index in range(3):

        def month(requests: int, index: int = index) -> tuple[float, float]:
            traffic = Traffic(requests=requests, cold_share=0.01, region="eu-west-1")
            way = alternatives(measured, config, traffic)[index]
            return way.month_usd, cost_of(measured, config, traffic).total_usd

        turn = alternatives(measured, config, TRAFFIC)[index].from_requests
        assert turn is not None
        other, on_demand = month(turn)
        assert other <= on_demand
        other, on_demand = month(turn - 1)
        assert other > on_demand


def test_a_pod_that_sleeps_costs_less_than_one_that_does_not(config: FunctionConfig) -> None:
    seldom = Traffic(requests=1000, cold_share=0.01, region="eu-west-1")
    _, always, asleep = alternatives(size(512, 50), config, seldom)
    assert 0 < asleep.month_usd < always.month_usd


def test_what_is_never_cheaper_has_no_turn() -> None:
    assert cheaper_from(lambda _: 2.0, lambda _: 1.0, 100) is None
    assert cheaper_from(lambda _: 50.0, float, 100) == 50
