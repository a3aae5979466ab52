from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest


@pytest.fixture(scope="session")
def manifest_of() -> Callable[..., Manifest]:
    """See `tests.corpus.manifest_of`."""
    return corpus.manifest_of
