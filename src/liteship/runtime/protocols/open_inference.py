"""Open Inference Protocol v2 over REST, with the binary tensor extension."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.http import Route

ROUTES: tuple[Route, ...] = ()
