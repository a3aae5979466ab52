"""What a conversion came to, as a table for people and as fields for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from liteship.cli.output import console, print_table

if TYPE_CHECKING:
    from liteship.conversion.request import ConversionRequest, ConversionResult


def print_result(request: ConversionRequest, result: ConversionResult) -> None:
    """Sizes, what was measured, what was left in float, and what to look at."""
    accuracy, model = result.accuracy, result.manifest
    unmeasured = "not measured"
    name = accuracy.metric.name if accuracy else "accuracy"
    print_table(
        f"{request.name} version {request.version}",
        ("model", "bytes", "of float32", f"held-out {name}"),
        [
            (
                Path(request.source).name,
                result.source_bytes,
                "",
                accuracy.source if accuracy else unmeasured,
            ),
            ("float32 .tflite", result.float_bytes, "100.0%", ""),
            (
                f"{model.scheme} .tflite",
                model.size_bytes,
                f"{model.size_bytes / result.float_bytes:.1%}",
                accuracy.artifact if accuracy else unmeasured,
            ),
        ],
    )
    if accuracy:
        console.print(
            f"The result was measured through the deployed predictor on {accuracy.samples} "
            f"held-out samples; it lost {max(accuracy.drop, 0):.4f}, {request.max_drop:g} is allowed."
        )
    else:
        agreement = result.agreement
        same = "" if agreement.top1 is None else f", {agreement.top1:.1%} have the same best class"
        console.print(
            "Accuracy was [bold]not measured[/bold]: give --evaluation. On the calibration set the "
            f"outputs' cosine similarity to the source model's is {agreement.cosine_similarity:.4f}"
            f"{same}, and no output differs by more than {agreement.max_error:.4g}."
        )
    zip_bytes, zstd_bytes = result.shipped.zip_bytes or 0, result.shipped.zstd_bytes or 0
    console.print(
        f"What is shipped takes {zip_bytes:,} bytes zipped (1/{result.float_bytes / zip_bytes:.1f} of "
        f"float32), {zstd_bytes:,} with zstd (1/{result.float_bytes / zstd_bytes:.1f})."
    )
    if result.repair:
        left = result.repair
        console.print(
            f"Without a repair it would have lost {left.loss_before:.4f}. Left in float, for "
            f"{left.added_bytes:,} more bytes:"
        )
        for operator in left.operators:
            console.print(f"  {operator}", markup=False)
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow] {escape(warning)}", soft_wrap=True)


def result_fields(result: ConversionResult) -> dict[str, object]:
    """JSON-ready."""
    accuracy, repair, quantized_bytes = result.accuracy, result.repair, result.manifest.size_bytes
    return {
        "model": result.manifest.name,
        "version": result.manifest.version,
        "output": str(result.output),
        "source_bytes": result.source_bytes,
        "float_tflite_bytes": result.float_bytes,
        "scheme": result.manifest.scheme,
        "tflite_bytes": quantized_bytes,
        "zip_bytes": result.shipped.zip_bytes,
        "zstd_bytes": result.shipped.zstd_bytes,
        "ratio": quantized_bytes / result.float_bytes,
        "similarity": result.agreement.cosine_similarity,
        "accuracy": accuracy
        and {
            "metric": accuracy.metric.name,
            "samples": accuracy.samples,
            "source": accuracy.source,
            "artifact": accuracy.artifact,
        },
        "left_in_float": list(repair.operators) if repair else [],
        "warnings": list(result.warnings),
    }
