"""How many inputs a run tries, and which: the same few thousand, or as many random ones as asked for.

`LITESHIP_FUZZ_INPUTS` says how many in all, as `make fuzz` does; without it every run is the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

INPUTS_VARIABLE = "LITESHIP_FUZZ_INPUTS"
DEFAULT_INPUTS = 4000


def fuzz(share: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Settings of one test.

    Args:
        share: Its part of all inputs, 0-1.
    """
    asked = os.environ.get(INPUTS_VARIABLE, "")
    return settings(
        max_examples=max(1, round(int(asked or DEFAULT_INPUTS) * share)),
        derandomize=not asked,
        database=None,
        deadline=None,  # a busy machine is no failure
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=(Phase.generate, Phase.target, Phase.shrink),  # explaining takes minutes
        print_blob=True,
    )
