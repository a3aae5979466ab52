"""`liteship convert`: a trained model becomes an int8 artifact."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liteship.artifact import Postprocessing
from liteship.cli.conversion_result import print_result, result_fields
from liteship.cli.output import Json, console, print_json, progress_bars
from liteship.config import Runtime, Scheme
from liteship.errors import ConfigurationError
from liteship.packaging.quotas import DIRECT_UPLOAD_BYTES, IMAGE_BYTES, UNZIPPED_BYTES
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.conversion.request import ConversionRequest, ConversionResult
    from liteship.project import FunctionFolder

_DATA = "a path, or module:callable"


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    source: Annotated[
        str | None,
        typer.Option(
            help="Trained model: .keras, .h5, a SavedModel folder, .pt2, .pt, .onnx, float .tflite, or "
            "module:factory of a PyTorch module."
        ),
    ] = None,
    signature: Annotated[str | None, typer.Option(help="Of a SavedModel, which signature.")] = None,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]1,224,224,3: what the source leaves open, batch included."),
    ] = None,
    calibration: Annotated[str | None, typer.Option(help=f"Representative data set: {_DATA}.")] = None,
    samples: Annotated[int | None, typer.Option(help="Calibration samples at most.", min=1)] = None,
    evaluation: Annotated[str | None, typer.Option(help=f"Labelled held-out samples: {_DATA}.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="accuracy, top5, mae, mse, or module:callable.")
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="What may be lost, in the metric's unit.", min=0)
    ] = None,
    scheme: Annotated[
        Scheme | None, typer.Option(help="auto: the smallest that keeps the budget.")
    ] = None,
    repair: Annotated[
        bool | None, typer.Option(help="Leave in float what the budget is lost by.")
    ] = None,
    prune: Annotated[
        float | None, typer.Option(help="Part of the weights to set to zero.", min=0.01, max=0.99)
    ] = None,
    clusters: Annotated[
        int | None, typer.Option(help="Distinct values of a weight tensor.", min=2, max=255)
    ] = None,
    fine_tune: Annotated[
        str | None, typer.Option(help=f"Labelled samples to train further with: {_DATA}.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over these samples.", min=1)] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="At the beginning of the fine-tuning.", min=1e-9)
    ] = None,
    compatible_with: Annotated[
        Runtime | None, typer.Option(help="The runtime that must run it.")
    ] = None,
    memory_limit_mib: Annotated[
        int | None, typer.Option(help="Memory a converter may take.", min=1)
    ] = None,
    stage_timeout_s: Annotated[
        float | None, typer.Option(help="Seconds a converter may be silent.", min=1)
    ] = None,
    json: Json = False,
) -> None:
    """Convert a trained model to int8, and prove it on held-out data.

    What function.toml says can be overridden for one run. The artifact in functions/NAME/model is
    replaced only by one that keeps the accuracy budget.

    Examples:
        liteship convert digits

        liteship convert digits --scheme auto --max-drop 0.005

        liteship convert digits --source runs/12/model.keras --prune 0.9 --fine-tune training.npz
    """
    overrides = {
        "source": source,
        "calibration": calibration,
        "samples": samples,
        "evaluation": evaluation,
        "metric": metric,
        "max_drop": max_drop,
        "scheme": scheme,
        "repair": repair,
        "prune": prune,
        "clusters": clusters,
        "training": fine_tune,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "compatible_with": compatible_with,
        "memory_limit_mib": memory_limit_mib,
        "stage_timeout_s": stage_timeout_s,
    }
    options = {"signature": signature, "input_shapes": _shapes(input_shape)}
    result = convert_function(
        load_function(name),
        quiet=json,
        options={key: value for key, value in options.items() if value is not None},
        **{key: value for key, value in overrides.items() if value is not None},
    )
    if json:
        print_json(result_fields(result))


def convert_function(
    function: FunctionFolder, *, quiet: bool, options: dict[str, Any] | None = None, **overrides: Any
) -> ConversionResult:
    """Converts what function.toml describes, with progress and a closing table.

    Args:
        function: The function whose artifact to make.
        quiet: Print nothing.
        options: Fields of `ExportOptions` that replace what function.toml says.
        overrides: Fields of `ConversionRequest` that replace it.
    """
    if importlib.util.find_spec("numpy") is None:
        raise ConfigurationError(
            "extra-missing",
            "converting needs a package that is not installed: numpy",
            hint="pip install 'liteship[convert,tool]'",
        )
    from liteship.conversion.child import STAGES
    from liteship.conversion.pipeline import convert_model

    request = dataclasses.replace(_request(function, options or {}), **overrides)
    stages = STAGES | {"evaluate": "measuring the result", "repair": "searching for a repair"}
    with progress_bars(stages, quiet=quiet) as progress:
        result = convert_model(request, progress, say=_say if not quiet else _nothing)
    if not quiet:
        print_result(request, result)
    return result


def _request(function: FunctionFolder, options: dict[str, Any]) -> ConversionRequest:
    from liteship.conversion.report.parts import SizeLimit
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.sources.exported import ExportOptions

    config, model = function.config, function.config.model

    def located(reference: str | None) -> str | None:
        """A path from function.toml starts there; `module:callable` is none."""
        return reference if reference is None or ":" in reference else str(function.folder / reference)

    export = ExportOptions(
        signature=model.signature, input_shapes=model.input_shapes, channel_last=model.channel_last
    )
    return ConversionRequest(
        name=config.name,
        version=config.version,
        source=str(located(model.source)),
        options=dataclasses.replace(export, **options),
        calibration=str(located(model.calibration)),
        evaluation=located(model.evaluation),
        training=located(model.fine_tune),
        folder=function.folder,
        samples=model.samples,
        metric=model.metric,
        max_drop=model.max_drop,
        scheme=model.scheme,
        compatible_with=model.compatible_with,
        repair=model.repair,
        prune=model.prune,
        clusters=model.clusters,
        epochs=model.epochs,
        learning_rate=model.learning_rate,
        preprocessing=config.preprocessing(),
        postprocessing=Postprocessing(
            config.output.activation, config.output.labels, config.output.top_k
        ),
        output=function.model_folder,
        limits=(
            SizeLimit(
                name="Lambda zip file, direct upload", limit_bytes=DIRECT_UPLOAD_BYTES, counted="zip"
            ),
            SizeLimit(
                name="Lambda zip file and layers, unzipped", limit_bytes=UNZIPPED_BYTES, counted="raw"
            ),
            SizeLimit(name="Lambda image", limit_bytes=IMAGE_BYTES, counted="raw"),
        ),
    )


def _shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]] | None:
    if texts is None:
        return None
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        try:
            shape = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1:
            raise ConfigurationError(
                "input-shape",
                f"--input-shape {text} is no shape",
                expected="[NAME=]SIZE,SIZE,…, each at least 1, such as 1,224,224,3",
                hint="give every dimension, the batch included",
            )
        shapes[name] = shape
    return shapes


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def _nothing(_line: str) -> None:
    """Nobody reads."""
