from __future__ import annotations

import pytest

from liteship import errors
from liteship.conversion.workers.conversation import failure_from


@pytest.mark.parametrize(
    "error",
    [
        errors.SourceModelError("a", "m", hint="h"),
        errors.CalibrationError("b", "m", hint="h", expected="e", received="r", problems=["p", "q"]),
    ],
)
def test_an_error_survives_the_way_out_of_the_child(error: errors.LiteshipError) -> None:
    received = failure_from({"family": type(error).__name__, **error.as_dict()})
    assert type(received) is type(error)
    assert received.as_dict() == error.as_dict()
    assert str(received) == str(error)
