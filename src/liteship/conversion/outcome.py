"""What a conversion arrived at: the artifact to write, or the best of those that were refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liteship.conversion.proving import Proof
    from liteship.conversion.request import LeftInFloat
    from liteship.errors import LiteshipError


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a search.

    Attributes:
        proof: The artifact and how well it does.
        repair: What was left in float, or None.
        refusal: Why it is not written, or None.
        causes: What in the data explains a loss.
        warnings: What to look at before shipping.
    """

    proof: Proof
    repair: LeftInFloat | None = None
    refusal: LiteshipError | None = None
    causes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
