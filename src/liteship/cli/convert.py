"""`liteship convert`: a trained model becomes an int8 artifact."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liteship.artifact import Postprocessing
from liteship.cli.output import Json, console, print_json, print_table, progress_bars
from liteship.config import Runtime, Scheme
from liteship.errors import ConfigurationError
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.convert import ConversionRequest, ConversionResult
    from liteship.project import FunctionFolder


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    source: Annotated[
        Path | None, typer.Option(help="Trained model: .keras, .h5 or float .tflite.")
    ] = None,
    calibration: Annotated[Path | None, typer.Option(help="Representative data set, .npz.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="Held-out samples with labels, .npz.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Accuracy that may be lost, 0-1.", min=0, max=1)
    ] = None,
    scheme: Annotated[
        Scheme | None, typer.Option(help="int8: all of it; dynamic: weights only.")
    ] = None,
    compatible_with: Annotated[
        Runtime | None, typer.Option(help="The runtime that must run it.")
    ] = None,
    json: Json = False,
) -> None:
    """Convert a trained model to int8, and prove it on held-out data.

    What function.toml says can be overridden for one run. The artifact in functions/NAME/model is
    replaced only by one that keeps the accuracy budget.

    Examples:
        liteship convert digits

        liteship convert digits --scheme dynamic --compatible-with tflite-runtime

        liteship convert digits --source runs/12/model.keras --max-drop 0.005
    """
    overrides = {
        "source": source,
        "calibration": calibration,
        "evaluation": evaluation,
        "max_drop": max_drop,
        "scheme": scheme,
        "compatible_with": compatible_with,
    }
    result = convert_function(
        load_function(name),
        quiet=json,
        **{key: value for key, value in overrides.items() if value is not None},
    )
    if json:
        print_json(_fields(result))


def convert_function(function: FunctionFolder, *, quiet: bool, **overrides: Any) -> ConversionResult:
    """Converts what function.toml describes, with progress and a closing table.

    Args:
        function: The function whose artifact to make.
        quiet: Print nothing.
        overrides: Fields of `ConversionRequest` that replace what function.toml says.
    """
    try:
        from liteship.convert import ConversionRequest, convert_model
        from liteship.convert.child import STAGES
    except ImportError as error:
        raise ConfigurationError(
            "extra-missing",
            f"converting needs a package that is not installed: {error.name}",
            hint="pip install 'liteship[convert,tool]'",
        ) from error
    config, model = function.config, function.config.model
    request = ConversionRequest(
        name=config.name,
        version=config.version,
        source=function.folder / model.source,
        calibration=function.folder / model.calibration,
        evaluation=function.folder / model.evaluation if model.evaluation else None,
        max_drop=model.max_drop,
        scheme=model.scheme,
        compatible_with=model.compatible_with,
        preprocessing=config.preprocessing(),
        postprocessing=Postprocessing(
            config.output.activation, config.output.labels, config.output.top_k
        ),
        output=function.model_folder,
    )
    request = dataclasses.replace(request, **overrides)
    with progress_bars(STAGES | {"evaluate": "measuring the result"}, quiet=quiet) as progress:
        result = convert_model(request, progress)
    if not quiet:
        _print(request, result)
    return result


def _print(request: ConversionRequest, result: ConversionResult) -> None:
    accuracy, quantized_bytes = result.accuracy, result.manifest.size_bytes
    print_table(
        f"{request.name} version {request.version}",
        ("model", "bytes", "of float32", "held-out accuracy"),
        [
            (
                request.source.name,
                result.source_bytes,
                "",
                accuracy.source if accuracy else "not measured",
            ),
            ("float32 .tflite", result.float_bytes, "100.0%", ""),
            (
                f"{request.scheme} .tflite",
                quantized_bytes,
                f"{quantized_bytes / result.float_bytes:.1%}",
                accuracy.artifact if accuracy else "not measured",
            ),
        ],
    )
    if accuracy:
        console.print(
            f"The result was measured through the deployed predictor on {accuracy.samples} "
            f"held-out samples; it lost {max(accuracy.drop, 0):.4f}, {request.max_drop:g} is allowed."
        )
    else:
        console.print(
            "Accuracy was [bold]not measured[/bold]: give --evaluation. On the calibration set the "
            f"outputs' cosine similarity to the source model's is {result.similarity:.4f}."
        )


def _fields(result: ConversionResult) -> dict[str, object]:
    accuracy, quantized_bytes = result.accuracy, result.manifest.size_bytes
    return {
        "model": result.manifest.name,
        "version": result.manifest.version,
        "output": str(result.output),
        "source_bytes": result.source_bytes,
        "float_tflite_bytes": result.float_bytes,
        "scheme": result.manifest.scheme,
        "tflite_bytes": quantized_bytes,
        "ratio": quantized_bytes / result.float_bytes,
        "similarity": result.similarity,
        "accuracy": accuracy
        and {"samples": accuracy.samples, "source": accuracy.source, "artifact": accuracy.artifact},
    }
