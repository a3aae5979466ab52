"""Evidence that tests change at one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from liteship.conversion.compression import CompressedSizes
from liteship.conversion.report import measures, parts
from liteship.conversion.report.evidence import Evidence

SOURCE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], np.float32)
ARTIFACT = np.array([[0.8, 0.2], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]], np.float32)
CLASSES = ("cat", "dog")


def bare(**changes: Any) -> Evidence:
    """What every conversion has."""
    fields: dict[str, Any] = {
        "name": "animals",
        "version": "3",
        "scheme": "int8",
        "source_format": "keras",
        "source_bytes": 5000,
        "float_sizes": CompressedSizes(raw_bytes=4000, zip_bytes=3600),
        "artifact_sizes": CompressedSizes(raw_bytes=1000, zip_bytes=900, zstd_bytes=880, zstd_level=19),
    }
    return Evidence(**fields | changes)


def score(source: float = 0.75, artifact: float = 0.75, **changes: Any) -> parts.Score:
    fields: dict[str, Any] = {"metric": "accuracy", "samples": 4, "max_drop": 0.01}
    return parts.Score(source=source, artifact=artifact, **fields | changes)


def layer(place: int, error: float | None = 0.01, **changes: Any) -> parts.LayerError:
    fields: dict[str, Any] = {
        "operator": "CONV_2D",
        "tensor": f"layer_{place}/Relu;layer_{place}/BiasAdd",
        "dtype": "int8",
        "in_float": False,
        "rmse": 0.1,
        "relative_error": error,
        "sqnr_db": 40.0,
    }
    return parts.LayerError(**fields | changes)


def full(**changes: Any) -> Evidence:
    """Every part there is, but a refusal."""
    labels = np.array([0, 1, 0, 1])
    changed = parts.ChangedSample(
        index=2,
        label="cat",
        source="cat",
        artifact="dog",
        difference=0.2,
        was_right=True,
        is_right=False,
        features=(("legs", "4"), ("weight_kg", "3.5")),
    )
    latency = measures.summarize_latency([1.0, 2.0, 3.0], "a processor, 1 thread")
    coverage = parts.ChannelCoverage(
        input="picture",
        channel=0,
        calibrated_least=0.0,
        calibrated_greatest=1.0,
        representable_least=0.0,
        representable_greatest=1.0,
        steps=255.0,
        saturated=0.02,
        unseen=0.03,
    )
    left = (parts.FloatRemainder(operator="SUB", tensor="normalization/sub"),)
    fields: dict[str, Any] = {
        "limits": (parts.SizeLimit(name="Lambda zip file", limit_bytes=50 * 1024**2, counted="zip"),),
        "score": score(),
        "source_confusion": measures.confusion(labels, SOURCE.argmax(1), CLASSES),
        "artifact_confusion": measures.confusion(labels, ARTIFACT.argmax(1), CLASSES),
        "outputs": (
            measures.compare_outputs("scores", SOURCE, ARTIFACT, data="evaluation", classifies=True),
        ),
        "changed": parts.ChangedSamples(kind="class", samples=4, changed=1, worst=(changed,)),
        "layers": (layer(1), layer(2, 0.3), layer(3, None, in_float=True, dtype="float32")),
        "repair": parts.Repair(left_in_float=left, cost_bytes=300, score_before=0.5, cause="ranges"),
        "latency": latency,
        "source_latency": latency,
        "coverage": (coverage,),
        "calibration_samples": 200,
        "warnings": ("the inputs span 0 to 4,000 next to 0 to 1",),
        "versions": {"liteship": "0.1"},
        "digests": {"source": "ab" * 32},
    }
    return bare(**fields | changes)
