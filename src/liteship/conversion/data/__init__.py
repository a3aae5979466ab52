"""Calibration, evaluation and fine-tuning data, checked before any converter sees it.

An empty or all-NaN representative data set makes TensorFlow's converter emit a half-float model
without a word, and an infinity in it kills the process; so both are refused here. One module a form
(`archives`, `pictures`, `csv_tables`, `parquet_tables`, `batches`) gives `samples.Raw`; `loading`
checks that against the model's inputs, converts what can be converted without loss, and refuses the
rest with every problem found. docs/guides/calibration-data.md has the forms. No framework is imported.
"""

from __future__ import annotations

from liteship.conversion.data.archives import read_arrays
from liteship.conversion.data.loading import load_calibration, load_evaluation, load_training
from liteship.conversion.data.pictures import PictureFiles
from liteship.conversion.data.ranges import range_causes, scale_warnings
from liteship.conversion.data.references import DataReference, check_reference
from liteship.conversion.data.samples import (
    Arrays,
    Evaluation,
    Pictures,
    Purpose,
    Samples,
    Training,
)

__all__ = [
    "Arrays",
    "DataReference",
    "Evaluation",
    "PictureFiles",
    "Pictures",
    "Purpose",
    "Samples",
    "Training",
    "check_reference",
    "load_calibration",
    "load_evaluation",
    "load_training",
    "range_causes",
    "read_arrays",
    "scale_warnings",
]
