"""What a conversion is asked for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from liteship.conversion.sources.exported import ExportOptions

if TYPE_CHECKING:
    from pathlib import Path

    from liteship.artifact import Manifest, Postprocessing, Preprocessing
    from liteship.conversion.accuracy import Accuracy, Agreement
    from liteship.conversion.compression import CompressedSizes
    from liteship.conversion.report.parts import SizeLimit

CALIBRATION_SAMPLES = 200
"""Samples used at most, unless told otherwise: the ranges of the digits model stop moving before."""


@dataclass(frozen=True, kw_only=True)
class ConversionRequest:
    """What to convert, and what the result must keep.

    Attributes:
        name: Model name.
        version: Model version.
        source: A file or folder in one of `sources.files.SourceFormat`, or `module:factory` for a
            PyTorch module.
        options: What the source leaves open.
        calibration: Representative data set, a path or `module:callable`; see `conversion.data`.
        evaluation: Held-out samples, or None: accuracy is then not measured.
        training: Labelled samples to fine-tune with, or None.
        folder: Where modules of `module:callable` may be, beside the working directory.
        samples: Calibration samples at most.
        seed: Chooses samples where there are more, and their order in a fine-tuning.
        metric: A key of `metrics.METRICS`, or `module:callable`.
        max_drop: What may be lost of it, in its own unit.
        scheme: A key of `schemes.SCHEMES`, or `schemes.AUTO`.
        compatible_with: `litert`, or `tflite-runtime` for what that can still run.
        repair: Whether operators may be left in float to keep the budget.
        prune: Part of the weights to set to zero, 0-1, or None.
        clusters: Distinct values that a weight tensor may have, or None.
        epochs: Passes over the training data; None for `ShrinkOptions`' own.
        learning_rate: Of the fine-tuning, at its beginning; None as above.
        preprocessing: From request to tensor.
        postprocessing: From tensor to predictions.
        output: Artifact folder; replaced only by a result that keeps the budget.
        memory_limit_mib: Of each child process; None for nine tenths of what is available.
        stage_timeout_s: Longest silence of a child process.
        limits: What the report compares sizes with.
    """

    name: str
    version: str
    source: str
    options: ExportOptions = field(default_factory=ExportOptions)
    calibration: str
    evaluation: str | None
    training: str | None = None
    folder: Path | None = None
    samples: int = CALIBRATION_SAMPLES
    seed: int = 7
    metric: str = "accuracy"
    max_drop: float
    scheme: str = "int8"
    compatible_with: str = "litert"
    repair: bool = True
    prune: float | None = None
    clusters: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    output: Path
    memory_limit_mib: int | None = None
    stage_timeout_s: float = 1800.0
    limits: tuple[SizeLimit, ...] = ()

    @property
    def report_folder(self) -> Path:
        """Beside the artifact, so that no package takes it along."""
        return self.output.with_name(f"{self.output.name}-report")


@dataclass(frozen=True, kw_only=True)
class LeftInFloat:
    """What the repair left in float.

    Attributes:
        operators: By kind and output, such as `SUB normalization/Sub`, in the order of execution; the
            model's input as `input`.
        added_bytes: What the model is larger by.
        loss_before: What was lost without the repair, in the metric's unit.
        tries: How many models were quantized and measured to find it.
    """

    operators: tuple[str, ...]
    added_bytes: int
    loss_before: float
    tries: int


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """What came of it.

    Attributes:
        manifest: The artifact's manifest.
        output: The artifact's folder.
        source_bytes: Size of the source model.
        float_bytes: Size of the source model as float32 `.tflite`.
        shipped: Size of the artifact's `.tflite`, and of what it compresses to.
        agreement: Of its outputs with the source's, on the calibration set.
        accuracy: On held-out samples before and after; None if it was not measured.
        repair: What was left in float to keep the budget; None if nothing had to be.
        warnings: What to look at before shipping.
    """

    manifest: Manifest
    output: Path
    source_bytes: int
    float_bytes: int
    shipped: CompressedSizes
    agreement: Agreement
    accuracy: Accuracy | None
    repair: LeftInFloat | None
    warnings: tuple[str, ...]
