"""Where an artifact came from and how well it did: the manifest's `provenance`, without a clock."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liteship import __version__
from liteship.conversion.frameworks import tool_versions
from liteship.conversion.sources import source_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from liteship.conversion.outcome import Outcome
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.source_side import Source
    from liteship.conversion.sources import SourceFormat


def describe_origin(
    request: ConversionRequest,
    source_format: SourceFormat,
    source: Source,
    outcome: Outcome,
) -> dict[str, object]:
    """JSON-ready fields; the same inputs give the same ones."""
    calibration, proof = source.samples.calibration, outcome.proof
    fields: dict[str, object] = {
        "liteship": __version__,
        "source": {
            "format": source_format,
            # A factory has no file of its own: what it made is told by its float model
            "sha256": source_digest(request.source, source_format)
            or hashlib.sha256(source.float_file.read_bytes()).hexdigest(),
            "float_tflite_bytes": source.float_bytes,
            # On 20 calibration samples; None where the float model is the source
            "float_difference": source.float_difference and float(f"{source.float_difference:.3g}"),
        },
        "tools": tool_versions(),
        "calibration": {
            "samples": len(next(iter(calibration.values()))),
            "sha256": _digest(calibration),
        },
        "similarity": round(proof.agreement.cosine_similarity, 6),
    }
    if source.samples.training is not None:
        fields["fine_tune"] = {
            "samples": len(source.samples.training.labels),
            "sha256": _digest(source.samples.training.inputs),
        }
    if request.prune is not None:
        fields["prune"] = request.prune
    if request.clusters is not None:
        fields["clusters"] = request.clusters
    if outcome.repair is not None:
        fields["left_in_float"] = list(outcome.repair.operators)
    if proof.accuracy is not None:
        fields["accuracy"] = {
            "metric": proof.accuracy.metric.name,
            "samples": proof.accuracy.samples,
            "source": round(proof.accuracy.source, 6),
            "artifact": round(proof.accuracy.artifact, 6),
            "max_drop": request.max_drop,
        }
    return fields


def source_bytes(source: str) -> int:
    """Size of a source's file or of all files in its folder; 0 for a factory, which has none."""
    path = Path(source)
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size if path.is_file() else 0


def _digest(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """sha256 of samples, whatever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
