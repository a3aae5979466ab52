from __future__ import annotations

from typing import get_args

from liteship.artifact import manifest
from liteship.config import Scheme
from liteship.conversion.schemes import AUTO, SCHEMES


def test_every_scheme_can_be_asked_for_and_written() -> None:
    assert tuple(SCHEMES) == manifest.SCHEMES
    assert set(get_args(Scheme)) == {*SCHEMES, AUTO}


def test_static_are_those_that_calibration_is_for() -> None:
    static = {name for name, scheme in SCHEMES.items() if scheme.is_static}
    assert static == {"int8", "int8-float-io", "int16x8"}
