from __future__ import annotations

import math

import pytest

from liteship.conversion.report import formats


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (179_272, "175 KiB"),
        (52_428_800, "50.0 MiB"),
        (10 * 1024**3, "10.0 GiB"),
        (5000 * 1024**3, "5,000 GiB"),
        (None, formats.NOTHING),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert formats.size(count) == text


def test_what_is_small_does_not_become_nothing() -> None:
    assert formats.percent(0.00001) == "< 0.01 %"
    assert (formats.percent(0), formats.percent(0.98765)) == ("0.00 %", "98.77 %")
    assert (formats.milliseconds(0.0096), formats.milliseconds(12.345)) == ("10 µs", "12.3 ms")
    assert (formats.number(0.000123456), formats.decibel(40.04)) == ("0.0001235", "40.0 dB")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["percent", "number", "milliseconds", "decibel"])
def test_what_is_no_number_is_a_dash(name: str, value: float | None) -> None:
    assert formats.FILTERS[name](value) == formats.NOTHING
