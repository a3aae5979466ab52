from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from liteship.deploy.measuring.prices import (
    METERED_BYTES,
    PRICES,
    image_storage_cost,
    monthly_cost,
    pod_cost,
    prices_as_of,
    regions,
    snapstart_cost,
)
from liteship.errors import ConfigurationError

MILLION = 1_000_000
FUNCTION: dict[str, Any] = {"memory_mib": 512, "billed_ms": 100.0, "architecture": "x86_64"}


def entries() -> list[tuple[str, dict[str, Any]]]:
    """Every price with the path to it."""
    content = tomllib.loads(PRICES.read_text())
    services = {name: table for name, table in content.items() if isinstance(table, dict)}
    assert services.keys() == {"lambda", "http-api", "logs", "metrics", "image-storage", "pod"}
    flat = {name: table for name, table in services.items() if name != "lambda"}
    flat |= {f"lambda.{region}": table for region, table in services["lambda"].items()}
    for name, table in flat.items():
        assert table["source"].startswith("https://aws.amazon.com/"), name
    return [
        (f"{name}.{key}", price)
        for name, table in flat.items()
        for key, price in table.items()
        if key != "source"
    ]


def test_every_price_says_how_it_was_checked() -> None:
    assert re.fullmatch(r"20\d\d-[01]\d", prices_as_of())
    for path, price in entries():
        numbers = {key: value for key, value in price.items() if key != "checked"}
        assert price["checked"] in {"price list", "page", "unverified"}, path
        assert numbers, path
        assert all(0 < value < 10 for value in numbers.values()), path


def test_every_region_has_every_price() -> None:
    paths = {path for path, _ in entries()}
    for service in ("http-api", "logs", "metrics", "image-storage", "pod"):
        assert {f"{service}.{region}" for region in regions()} <= paths
    keys = {
        region: {path.rpartition(".")[2] for path in paths if path.startswith(f"lambda.{region}.")}
        for region in regions()
    }
    assert len(set(map(frozenset, keys.values()))) == 1


def test_the_pricing_pages_own_example() -> None:
    """3 million requests of one second at 512 MB, https://aws.amazon.com/lambda/pricing/."""
    cost = monthly_cost(3 * MILLION, **FUNCTION | {"billed_ms": 1000.0}, http=None, region="us-east-1")
    assert cost.duration_usd == pytest.approx(25.00, abs=0.01)
    assert cost.requests_usd == pytest.approx(0.60)
    assert cost.tmp_usd == cost.provisioned_usd == cost.http_usd == 0


def test_nobody_calls_and_nothing_is_due_but_alarms() -> None:
    cost = monthly_cost(0, **FUNCTION, http="http-api", tmp_mib=1024)
    assert cost.total_usd == 0
    watched = monthly_cost(0, **FUNCTION, http="http-api", alarm_metrics=5)
    assert watched.total_usd == watched.alarms_usd > 0


def test_the_total_is_all_parts() -> None:
    cost = monthly_cost(
        MILLION, **FUNCTION, tmp_mib=1024, http="http-api", provisioned=1, alarm_metrics=1
    )
    parts = [getattr(cost, name) for name in cost.__dataclass_fields__]
    assert all(part > 0 for part in parts)
    assert cost.total_usd == pytest.approx(sum(parts))


def test_a_month_of_one_gigabyte_provisioned() -> None:
    """10.95 USD, as AWS' price list has it an hour: 0.0000041667 × 3,600 × 730."""
    cost = monthly_cost(
        0, **FUNCTION | {"memory_mib": 1024}, http=None, provisioned=1, region="us-east-1"
    )
    assert cost.total_usd == cost.provisioned_usd == pytest.approx(10.95, abs=0.005)


def test_provisioned_executions_pay_less_a_request() -> None:
    on_demand = monthly_cost(MILLION, **FUNCTION, http=None)
    reserved = monthly_cost(MILLION, **FUNCTION, http=None, provisioned=3)
    assert 0 < reserved.duration_usd < on_demand.duration_usd
    assert reserved.requests_usd == on_demand.requests_usd


def test_arm_costs_a_fifth_less_time() -> None:
    x86 = monthly_cost(MILLION, **FUNCTION, http=None)
    arm = monthly_cost(MILLION, **FUNCTION | {"architecture": "arm64"}, http=None)
    assert arm.duration_usd == pytest.approx(0.8 * x86.duration_usd, rel=1e-4)
    assert arm.requests_usd == x86.requests_usd


def test_a_function_url_is_free_and_large_requests_count_more_than_once() -> None:
    assert monthly_cost(MILLION, **FUNCTION, http="function-url").http_usd == 0
    once = monthly_cost(MILLION, **FUNCTION, http="http-api", request_bytes=METERED_BYTES).http_usd
    twice = monthly_cost(MILLION, **FUNCTION, http="http-api", request_bytes=METERED_BYTES + 1).http_usd
    assert once > 0
    assert twice == pytest.approx(2 * once)


def test_only_tmp_above_512_mib_costs() -> None:
    free = monthly_cost(MILLION, **FUNCTION, http=None)
    paid = monthly_cost(MILLION, **FUNCTION, http=None, tmp_mib=1536)
    assert free.tmp_usd == 0
    assert 0 < paid.tmp_usd < paid.duration_usd


def test_snapstart_costs_by_version_and_by_restore() -> None:
    kept = snapstart_cost(0, memory_mib=512)
    assert snapstart_cost(0, memory_mib=512, versions=2) == pytest.approx(2 * kept)
    assert snapstart_cost(1000, memory_mib=512) > kept > 0


def test_a_pod_and_an_image_cost_in_proportion() -> None:
    hour = pod_cost(cpus=1, memory_mib=1024, hours=1)
    assert pod_cost(cpus=2, memory_mib=2048, hours=1) == pytest.approx(2 * hour)
    assert pod_cost(cpus=1, memory_mib=1024, hours=10) == pytest.approx(10 * hour)
    assert image_storage_cost(2 * 10**9) == pytest.approx(2 * image_storage_cost(10**9))


def test_a_region_without_prices_says_which_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        monthly_cost(1, **FUNCTION, http=None, region="mars-north-1")
    assert caught.value.reference == "price-unknown"
    assert "eu-west-1" in str(caught.value)
