"""Trained models in every form, and requests to convert them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.conversion.requests import DATA, request_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liteship.conversion.request import ConversionRequest


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny trained models in every form, and their data sets."""
    folder = tmp_path_factory.mktemp("sources")
    subprocess.run(
        [sys.executable, str(DATA / "make_source.py"), str(folder)], check=True, capture_output=True
    )
    return folder


@pytest.fixture
def request_for(sources: Path, tmp_path: Path) -> Callable[..., ConversionRequest]:
    def make(source: str = "digits.tflite", **changes: Any) -> ConversionRequest:
        output = changes.pop("output", tmp_path / "model")
        return request_from(sources, output, source, **changes)

    return make
