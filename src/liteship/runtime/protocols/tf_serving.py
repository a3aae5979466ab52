"""TensorFlow Serving's REST form."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.http import Route

ROUTES: tuple[Route, ...] = ()
