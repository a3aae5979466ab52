"""Requests for conversions of the models that tests/data/make_source.py trains."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from liteship.artifact import Postprocessing, Preprocessing
from liteship.conversion.request import ConversionRequest

DATA = Path(__file__).parents[2] / "data"
LABELS = [str(digit) for digit in range(10)]


def request_from(folder: Path, output: Path, source: str, **changes: Any) -> ConversionRequest:
    request = ConversionRequest(
        name="digits",
        version="1",
        source=str(folder / source),
        calibration=str(folder / "calibration.npz"),
        evaluation=str(folder / "evaluation.npz"),
        max_drop=0.05,
        preprocessing=Preprocessing("image", "L", mean=[0.0], std=[255.0]),
        postprocessing=Postprocessing(labels=LABELS),
        output=output,
    )
    return dataclasses.replace(request, **changes)
