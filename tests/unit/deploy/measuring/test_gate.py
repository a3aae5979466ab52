"""What the gate makes of numbers; tests/integration/test_gate.py measures them."""

from __future__ import annotations

from pathlib import Path

import pytest

from liteship.config import ModelsSection
from liteship.deploy.measuring.gate import MARGIN, MEASURED, MEMORY_SHARE, event_checks, measured_checks
from liteship.deploy.measuring.measure import Measurement
from liteship.packaging.quotas import INIT_MS, MIB, ONE_CPU_MIB, PAYLOAD_BYTES
from liteship.project import FunctionFolder, load_function

ROOT = Path(__file__).parents[4]


def digits(**runtime: object) -> FunctionFolder:
    function = load_function("digits", ROOT)
    changed = function.config.runtime.model_copy(update=runtime)
    config = function.config.model_copy(update={"runtime": changed})
    return FunctionFolder(folder=function.folder, config=config)


def measurement(**fields: float) -> Measurement:
    names = ("init_ms", "typical_ms", "request_ms", "peak_bytes", "answer_bytes")
    whole = dict.fromkeys(names, 1.0)
    return Measurement(**(whole | fields), slowest="a slow one", largest="a large one")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"peak_bytes": int(ONE_CPU_MIB * MEMORY_SHARE) * MIB}, set()),
        ({"peak_bytes": int(ONE_CPU_MIB * MEMORY_SHARE) * MIB + 1}, {"peak-memory"}),
        ({"init_ms": INIT_MS / MARGIN}, set()),
        ({"init_ms": INIT_MS / MARGIN + 1}, {"init"}),
        ({"request_ms": 10_000 / MARGIN}, set()),
        ({"request_ms": 10_000 / MARGIN + 1}, {"latency"}),
        ({"typical_ms": 10_000 / MARGIN + 1}, {"typical"}),
        ({"answer_bytes": PAYLOAD_BYTES}, set()),
        ({"answer_bytes": PAYLOAD_BYTES + 1}, {"answer"}),
    ],
)
def test_each_measured_value_has_a_limit(fields: dict[str, float], refused: set[str]) -> None:
    config = digits(memory_mib=ONE_CPU_MIB, timeout_s=10).config
    checks = measured_checks(config, measurement(**fields))
    assert tuple(check.name for check in checks) == MEASURED
    assert {check.name for check in checks if not check.ok} == refused
    assert all(check.basis for check in checks)


def test_the_budget_of_other_models_is_added_to_what_was_measured() -> None:
    config = digits(memory_mib=ONE_CPU_MIB).config
    several = config.model_copy(update={"models": ModelsSection(memory_mib=64)})
    one, more = (
        measured_checks(each, measurement(peak_bytes=100 * MIB))[0] for each in (config, several)
    )
    assert (one.value, more.value) == (100, 164)
    assert more.basis.endswith("a large one, with 64 MiB for other models")


def test_less_memory_is_less_processor_and_more_of_it_is_not_faster() -> None:
    values = {}
    for memory_mib in (ONE_CPU_MIB // 4, ONE_CPU_MIB, 4 * ONE_CPU_MIB):
        checks = measured_checks(digits(memory_mib=memory_mib).config, measurement(request_ms=100))
        values[memory_mib] = next(check.value for check in checks if check.name == "latency")
    quarter, whole, four = values.values()
    assert isinstance(whole, int)
    assert quarter == pytest.approx(4 * whole, rel=0.01)
    assert four == whole == 100 * MARGIN


def test_the_largest_event_of_each_trigger_is_counted() -> None:
    config = digits().config
    (direct,) = event_checks(config)
    assert direct.name == "s3-event"
    assert direct.ok
    assert isinstance(direct.value, int)
    assert direct.value > 3 * 1024  # a key of 1,024 bytes, each as %XX
    s3 = config.triggers.s3
    assert s3 is not None
    queued = config.triggers.model_copy(update={"s3": s3.model_copy(update={"queue": True})})
    (batch,) = event_checks(config.model_copy(update={"triggers": queued}))
    assert batch.name == "queue-event"
    assert isinstance(batch.value, int)
    assert batch.value > 10 * direct.value
    only_http = config.triggers.model_copy(update={"s3": None})
    assert event_checks(config.model_copy(update={"triggers": only_http})) == []
