"""Everything a conversion's report shows, in one value."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.report.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.conversion.compression import CompressedSizes
    from liteship.conversion.report.parts import (
        ChangedSamples,
        ChannelCoverage,
        Confusion,
        Latency,
        LayerError,
        OutputComparison,
        Refusal,
        Repair,
        Score,
        SizeLimit,
    )

SCHEMA = 1
"""Version of `report.json`'s form."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What speaks for and against shipping an artifact. What is missing was not measured.

    Attributes:
        name: Of the model.
        version: Of the model.
        scheme: Such as `int8`.
        source_format: Such as `keras`.
        source_bytes: Size of the source's file or files.
        float_sizes: Of the same model as float32 `.tflite`.
        artifact_sizes: Of the artifact's `model.tflite`; None if there is none.
        limits: That the artifact's size counts towards.
        score: Held-out metric before and after; None if no evaluation data was given.
        source_confusion: Of the source on the evaluation data.
        artifact_confusion: Of the artifact.
        outputs: Each output of the artifact beside the source's.
        changed: Samples that the artifact answers otherwise.
        layers: How far each operator is from the float model's.
        repair: What was left in float to keep the budget; None where that was not needed.
        latency: Of the artifact, on this machine.
        source_latency: Of the float model, likewise.
        coverage: How the inputs' channels use the integers they are given.
        calibration_samples: How many were used; None where the scheme needs none.
        refusal: Why the artifact was not written; None if it was.
        warnings: What to know, one line each.
        versions: Of the tools, by name.
        digests: sha256 of source, data and artifact, by what they are of.
    """

    name: str
    version: str
    scheme: str
    source_format: str
    source_bytes: int
    float_sizes: CompressedSizes
    artifact_sizes: CompressedSizes | None
    limits: tuple[SizeLimit, ...] = ()
    score: Score | None = None
    source_confusion: Confusion | None = None
    artifact_confusion: Confusion | None = None
    outputs: tuple[OutputComparison, ...] = ()
    changed: ChangedSamples | None = None
    layers: tuple[LayerError, ...] = ()
    repair: Repair | None = None
    latency: Latency | None = None
    source_latency: Latency | None = None
    coverage: tuple[ChannelCoverage, ...] = ()
    calibration_samples: int | None = None
    refusal: Refusal | None = None
    warnings: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Whether to ship, and why."""
        return judge(self.score, self.refusal, self.repair, self.outputs)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields in a fixed order; numbers that are not finite become null."""
        content = {"schema": SCHEMA, "verdict": asdict(self.verdict), **asdict(self)}
        if self.score is not None:
            content["score"] |= {"drop": self.score.drop, "within_budget": self.score.within_budget}
        plain: dict[str, Any] = _plain(content)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        # A file name that is not UTF-8 reaches Python as lone surrogates, which JSON cannot hold.
        return value.encode("utf-8", "backslashreplace").decode()
    return value
